// Builds the C++ test of data connections, with the address and with the thread sanitizer, and runs it.

import assert from 'node:assert/strict'
import { BUILD_TIMEOUT_MS, buildNativeTest, tryRun } from '../support/native-build.ts'

/** The program's own word for a machine whose OpenSSL it cannot load. */
const NO_OPENSSL = 77

describe('data connections under sanitizers', function () {
  this.timeout(2 * BUILD_TIMEOUT_MS)
  before(function () {
    if (process.platform !== 'linux') this.skip()
  })

  for (const [folder, sanitizers, what] of [
    ['native-test', 'address,undefined', 'touch no buffer that was given back'],
    ['native-threads', 'thread', 'have no race between their threads'],
  ] as const)
    it(what, function () {
      const { status, output } = tryRun(buildNativeTest('data_test', folder, `-DSWARM_SANITIZERS=${sanitizers}`))
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
