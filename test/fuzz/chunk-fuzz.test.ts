// Replays the kept inputs and the test vectors, then fuzzes: a minute where the C++ tests are required, else a few seconds.
// Longer: `npm run fuzz`.

import assert from 'node:assert/strict'
import { needPart, requires } from '../support/prerequisites.ts'
import { buildFuzzer, CORPUS, type FuzzResult, fuzz, replay, VECTORS, whyNoFuzzer } from './fuzzer.ts'

const SECONDS = requires('cxx') || process.env['CI'] === 'true' ? 60 : 3

function expectNoCrash({ crash, output }: FuzzResult): void {
  assert.equal(crash, undefined, `${crash?.file} breaks the codec; to see it again: ${crash?.command}\n${output}`)
}

describe('the chunk codec, fuzzed', function () {
  this.timeout(400_000)
  before(function () {
    needPart(this, 'cxx', whyNoFuzzer())
    buildFuzzer()
  })

  it('handles every kept input and every vector, alike on all code paths', async () => {
    const result = await replay([CORPUS, VECTORS])
    expectNoCrash(result)
    console.log(`      ${result.executions} inputs replayed`)
    assert.ok(result.executions > 100)
  })

  it('handles what the fuzzer makes of them', async () => {
    const result = await fuzz(SECONDS)
    expectNoCrash(result)
    console.log(`      fuzzed for ${SECONDS} s, ${result.executions} executions`)
    assert.ok(result.executions > 1000)
  })
})
