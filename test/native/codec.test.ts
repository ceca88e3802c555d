// What the C++ tests of the codec say, with the address and undefined-behaviour sanitizers: for this machine, and for 64-bit ARM
// under emulation.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { armRuns, hostRuns, isMissing, whyNoArm64 } from '../support/codec-programs.ts'
import { BUILD_TIMEOUT_MS, root, run } from '../support/native-build.ts'
import { needPart } from '../support/prerequisites.ts'

describe('native codec under sanitizers', function () {
  this.timeout(3 * BUILD_TIMEOUT_MS)

  it('passes its C++ tests: round trips, every truncation, every flipped bit, random damage', async () => {
    const output = await hostRuns().paths
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
    for (const [path, ran] of Object.entries(armRuns())) {
      const output = await ran
      assert.match(output, new RegExp(`^${path}: tested$`, 'm'))
      assert.match(output, /^codec_test: 0 failed$/m)
    }
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
    const output = await hostRuns().kernels
    assert.match(output, /^host-warp: tested$/m)
    assert.match(output, /^codec_test: 0 failed$/m)
  })
})
