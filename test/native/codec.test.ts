// Builds the C++ tests of the codec with the address and undefined-behaviour sanitizers and runs them.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const build = `${root}build/native-test`
/** A cold build on two slow cores; a compiler that hangs fails here instead of for ever. */
const BUILD_TIMEOUT_MS = 180_000

function run(command: string, ...args: string[]): string {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', timeout: BUILD_TIMEOUT_MS })
  assert.equal(result.status, 0, `${command} ${args.join(' ')}\n${result.stdout}${result.stderr}`)
  return result.stdout
}

describe('native codec under sanitizers', () => {
  it('passes its C++ tests: round trips, every truncation, every flipped bit, random damage', function () {
    this.timeout(3 * BUILD_TIMEOUT_MS)
    run('cmake', '-S', 'native', '-B', build, '-DSWARM_CODEC_TESTS=ON', '-DCMAKE_BUILD_TYPE=Debug')
    run('cmake', '--build', build, '--target', 'codec_test', '--parallel', '2')
    assert.match(run(`${build}/codec_test`), /^codec_test: 0 failed$/m)
  })
})
