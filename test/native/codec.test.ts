// Builds the C++ tests of the codec with the address and undefined-behaviour sanitizers and runs them: for this machine, and for
// 64-bit ARM under emulation.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { BUILD_TIMEOUT_MS, buildNativeTest, root, run, start } from '../support/native-build.ts'
import { needPart } from '../support/prerequisites.ts'

const ARM64_COMPILER = 'aarch64-linux-gnu-g++'
const ARM64_EMULATOR = 'qemu-aarch64'

function isMissing(command: string): boolean {
  return spawnSync(command, ['--version']).error !== undefined
}

function whyNoArm64(): string | undefined {
  const absent = [ARM64_COMPILER, ARM64_EMULATOR].filter(isMissing)
  return absent.length === 0 ? undefined : `lacks ${absent.join(' and ')}`
}

describe('native codec under sanitizers', function () {
  this.timeout(3 * BUILD_TIMEOUT_MS)
  /** Each takes a processor for minutes: both run from the beginning. */
  let paths: Promise<string>
  let kernels: Promise<string>
  before(() => {
    const program = buildNativeTest('codec_test', 'native-test')
    paths = start(program, 'avx512', 'avx2', 'neon', 'scalar')
    kernels = start(program, 'host-warp')
    // A failure of the second counts when its test comes to it.
    kernels.catch(() => undefined)
  })

  it('passes its C++ tests: round trips, every truncation, every flipped bit, random damage', async () => {
    const output = await paths
    assert.match(output, /^scalar: tested$/m)
    assert.match(output, /^codec_test: 0 failed$/m)
  })

  it('passes them with the kernels for GPUs, 32 lanes in step on the processor', async () => {
    const output = await kernels
    assert.match(output, /^host-warp: tested$/m)
    assert.match(output, /^codec_test: 0 failed$/m)
  })
})

describe('native codec for 64-bit ARM', function () {
  this.timeout(3 * BUILD_TIMEOUT_MS)
  before(function () {
    if (process.arch === 'arm64') {
      console.log('      skipped: the test above has run the NEON path')
      this.skip()
    }
    needPart(this, 'arm64', whyNoArm64())
  })

  it('compiles the NEON path and passes the C++ tests under emulation and sanitizers', async () => {
    const system = ['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64']
    const program = buildNativeTest('codec_test', 'native-arm64', ...system, `-DCMAKE_CXX_COMPILER=${ARM64_COMPILER}`)
    // The shared libraries of the cross compiler stand in for those of an ARM system.
    const library = run('realpath', run(ARM64_COMPILER, '-print-file-name=libc.so.6').trim()).trim()
    // Leaks are looked for by another process, which emulation does not allow; the test above finds them.
    const emulator = ['ASAN_OPTIONS=detect_leaks=0', ARM64_EMULATOR, '-L', dirname(dirname(library))]
    const tested = async (path: string): Promise<void> => {
      const output = await start('env', ...emulator, program, path)
      assert.match(output, new RegExp(`^${path}: tested$`, 'm'))
      assert.match(output, /^codec_test: 0 failed$/m)
    }
    await Promise.all(['neon', 'scalar'].map(tested))
  })

  it('is accepted by clang as well', function () {
    if (isMissing('clang++')) this.skip()
    const sources = readdirSync(`${root}native/cpu`).filter((name) => /^(neon.*|crc32c|kernels)\.cc$/.test(name))
    assert.equal(sources.length, 5)
    const options = ['--target=aarch64-linux-gnu', '-std=c++17', '-fsyntax-only', '-Wall', '-Wextra', '-Werror']
    run('clang++', ...options, '-Inative/include', '-Inative', ...sources.map((name) => `native/cpu/${name}`))
  })
})
