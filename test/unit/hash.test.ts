import assert from 'node:assert/strict'
import fc from 'fast-check'
import { HashStream, hash64, hashBytes, hashToId } from '../../src/base/hash.ts'

// Published by the authors of BLAKE3.
const EMPTY = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
const ABC = '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85'

describe('hash', () => {
  it('is unkeyed BLAKE3 with 256 bits', () => {
    assert.equal(hashToId(new Uint8Array()), EMPTY)
    assert.equal(hashToId(Buffer.from('abc')), ABC)
    assert.equal(hashBytes(Buffer.from('abc')).toString('hex'), ABC)
  })

  it('gives the first 64 bits, most significant byte first', () => {
    assert.equal(hash64(Buffer.from('abc')), 0x6437b3ac38465133n)
  })

  it('hashes a view of a larger buffer without its surroundings', () => {
    assert.equal(hashToId(Buffer.from('xabcx').subarray(1, 4)), ABC)
    assert.equal(new HashStream().update(new Uint8Array(Buffer.from('xabcx')).subarray(1, 4)).digest(), ABC)
  })

  it('does not depend on how the input is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 }), (pieces) => {
        const stream = new HashStream()
        for (const piece of pieces) stream.update(piece)
        assert.equal(stream.digest(), hashToId(Buffer.concat(pieces)))
      }),
    )
  })
})
