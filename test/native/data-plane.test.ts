// Builds the C++ test of data connections, with the address and with the thread sanitizer, and runs it.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** What hangs fails here instead of for ever. */
const TIMEOUT_MS = 360_000
/** The program's own word for a machine whose OpenSSL it cannot load. */
const NO_OPENSSL = 77

function run(command: string, ...args: string[]) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', timeout: TIMEOUT_MS })
  return { status: result.status, output: `${command} ${args.join(' ')}\n${result.stdout}${result.stderr}` }
}

function build(folder: string, sanitizers: string): string {
  const target = `${root}build/${folder}`
  const options = [
    '-DSWARM_CODEC_TESTS=ON',
    '-DWITH_CUDA=OFF',
    '-DCMAKE_BUILD_TYPE=Debug',
    `-DSWARM_SANITIZERS=${sanitizers}`,
  ]
  for (const args of [
    ['-S', 'native', '-B', target, ...options],
    ['--build', target, '--target', 'data_test'],
  ]) {
    const { status, output } = run('cmake', ...args)
    assert.equal(status, 0, output)
  }
  return `${target}/data_test`
}

describe('data connections under sanitizers', function () {
  this.timeout(2 * TIMEOUT_MS)
  before(function () {
    if (process.platform !== 'linux') this.skip()
  })

  for (const [folder, sanitizers, what] of [
    ['native-test', 'address,undefined', 'touch no buffer that was given back'],
    ['native-threads', 'thread', 'have no race between their threads'],
  ] as const)
    it(what, function () {
      const { status, output } = run(build(folder, sanitizers))
      // Its runtime cannot place its memory where the system randomises addresses more than it knows.
      const cannotRun = status === NO_OPENSSL || output.includes('unexpected memory mapping')
      if (cannotRun) {
        console.log(
          `      skipped: ${status === NO_OPENSSL ? 'lacks libcrypto.so.3' : 'lacks memory where the sanitizer wants it'}`,
        )
        this.skip()
      }
      assert.equal(status, 0, output)
      assert.match(output, /^data_test: 0 failed$/m)
    })
})
