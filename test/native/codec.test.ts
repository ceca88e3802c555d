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

interface Tested {
  readonly paths: Promise<string>
  readonly kernels: Promise<string>
}

let tested: Tested | undefined

/** Each takes a processor for minutes: both run from the first test on, and what needs neither comes before the second is looked at. */
function testSanitized(): Tested {
  if (tested !== undefined) return tested
  const program = buildNativeTest('codec_test', 'native-test')
  const [paths, kernels] = [start(program, 'avx512', 'avx2', 'neon', 'scalar'), start(program, 'host-warp')]
  // A failure counts when its test comes to it.
  for (const output of [paths, kernels]) output.catch(() => undefined)
  tested = { paths, kernels }
  return tested
}

describe('native codec under sanitizers', function () {
  this.timeout(3 * BUILD_TIMEOUT_MS)

  it('passes its C++ tests: round trips, every truncation, every flipped bit, random damage', async () => {
    const output = await testSanitized().paths
    assert.match(output, /^scalar: tested$/m)
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
    const testPath = async (path: string): Promise<void> => {
      const output = await start('env', ...emulator, program, path)
      assert.match(output, new RegExp(`^${path}: tested$`, 'm'))
      assert.match(output, /^codec_test: 0 failed$/m)
    }
    await Promise.all(['neon', 'scalar'].map(testPath))
  })

  it('is accepted by clang as well', function () {
    if (isMissing('clang++')) this.skip()
    const sources = readdirSync(`${root}native/cpu`).filter((name) => /^(neon.*|crc32c|kernels)\.cc$/.test(name))
    assert.equal(sources.length, 5)
    const options = ['--target=aarch64-linux-gnu', '-std=c++17', '-fsyntax-only', '-Wall', '-Wextra', '-Werror']
    run('clang++', ...options, '-Inative/include', '-Inative', ...sources.map((name) => `native/cpu/${name}`))
  })
})

describe('native codec with the kernels for GPUs, under sanitizers', function () {
  this.timeout(3 * BUILD_TIMEOUT_MS)

  it('passes its C++ tests, 32 lanes in step on the processor', async () => {
    const output = await testSanitized().kernels
    assert.match(output, /^host-warp: tested$/m)
    assert.match(output, /^codec_test: 0 failed$/m)
  })
})
