import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { ICryptoInterface } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { Uint8ArrayList } from 'uint8arraylist'
import { openTransportCalls } from '../../src/codec/transport-calls.ts'
import { noiseCrypto } from '../../src/exchange/noise-crypto.ts'

type List = Exclude<Parameters<ICryptoInterface['chaCha20Poly1305Encrypt']>[0], Uint8Array>

const TAG_BYTES = 16
const SIZES = [0, 1, 16, 1199, 1200, 1201, 65_519]
const NOTHING = new Uint8Array(0)

describe('the AEAD under noise', () => {
  const crypto = noiseCrypto(openTransportCalls().makeCipher)
  const key = randomBytes(32)
  const nonce = randomBytes(12)
  const sealedByLibrary = (text: Uint8Array, ad: Uint8Array = NOTHING): Buffer =>
    Buffer.from(defaultCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, key).subarray())
  /** The same bytes in pieces, of which the last is a part of the tag. */
  const cut = (bytes: Uint8Array): List => {
    const borders = [0, 7, bytes.length >> 1, bytes.length - 5, bytes.length].sort((left, right) => left - right)
    const pieces = borders.slice(1).map((end, index) => bytes.slice(borders[index], end))
    // Noise has a version of its own of the class.
    return new Uint8ArrayList(...pieces) as unknown as List
  }

  it('is our own where Node lets others call its OpenSSL, as the Node that we bring does', () => {
    assert.notEqual(crypto.chaCha20Poly1305Encrypt, defaultCrypto.chaCha20Poly1305Encrypt)
    assert.equal(noiseCrypto(undefined), defaultCrypto)
  })

  for (const size of SIZES) {
    it(`seals ${size} bytes as the library does, whole and in pieces, with associated data and without`, () => {
      const text = randomBytes(size)
      for (const ad of [NOTHING, randomBytes(32)]) {
        const expected = sealedByLibrary(text, ad)
        assert.deepEqual(crypto.chaCha20Poly1305Encrypt(text, nonce, ad, key), expected)
        assert.deepEqual(crypto.chaCha20Poly1305Encrypt(cut(text), nonce, ad, key), expected)
      }
    })

    it(`opens ${size} bytes that the library sealed, in their place, elsewhere and from pieces`, () => {
      const text = randomBytes(size)
      const elsewhere = Buffer.alloc(size)
      for (const from of [sealedByLibrary(text), cut(sealedByLibrary(text))]) {
        assert.deepEqual(Buffer.from(crypto.chaCha20Poly1305Decrypt(from, nonce, NOTHING, key).subarray()), text)
        assert.equal(crypto.chaCha20Poly1305Decrypt(from, nonce, NOTHING, key, elsewhere), elsewhere)
        assert.deepEqual(elsewhere, text)
        elsewhere.fill(0)
      }
      const inPlace = sealedByLibrary(text)
      crypto.chaCha20Poly1305Decrypt(inPlace, nonce, NOTHING, key, inPlace.subarray(0, size))
      assert.deepEqual(inPlace.subarray(0, size), text)
    })

    it(`refuses ${size} bytes with one bit changed, with another key, nonce or data, and shows none of them`, () => {
      const sealed = sealedByLibrary(randomBytes(size))
      const damaged = Buffer.from(sealed)
      damaged[size >> 1] = (damaged[size >> 1] ?? 0) ^ 1
      const shown = Buffer.alloc(size, 1)
      assert.throws(() => crypto.chaCha20Poly1305Decrypt(damaged, nonce, NOTHING, key, shown), /wrong tag/)
      assert.deepEqual(shown, Buffer.alloc(size))
      assert.throws(() => crypto.chaCha20Poly1305Decrypt(sealed, nonce, NOTHING, randomBytes(32)), /wrong tag/)
      assert.throws(() => crypto.chaCha20Poly1305Decrypt(sealed, randomBytes(12), NOTHING, key), /wrong tag/)
      assert.throws(() => crypto.chaCha20Poly1305Decrypt(sealed, nonce, randomBytes(1), key), /wrong tag/)
    })
  }

  it('refuses what is shorter than a tag, and buffers of the wrong sizes', () => {
    assert.throws(() => crypto.chaCha20Poly1305Decrypt(randomBytes(15), nonce, NOTHING, key), /shorter than its tag/)
    assert.throws(() => crypto.chaCha20Poly1305Encrypt(randomBytes(9), randomBytes(8), NOTHING, key), TypeError)
    assert.throws(() => crypto.chaCha20Poly1305Encrypt(randomBytes(9), nonce, NOTHING, randomBytes(31)), TypeError)
    const sealed = sealedByLibrary(randomBytes(9))
    for (const size of [0, 8, 10, 9 + TAG_BYTES])
      assert.throws(() => crypto.chaCha20Poly1305Decrypt(sealed, nonce, NOTHING, key, Buffer.alloc(size)), TypeError)
  })

  it('uses one key in both directions, and goes on after a wrong tag', () => {
    const sealed = sealedByLibrary(Buffer.from('word'))
    assert.throws(() => crypto.chaCha20Poly1305Decrypt(sealed, randomBytes(12), NOTHING, key))
    assert.equal(`${crypto.chaCha20Poly1305Decrypt(sealed, nonce, NOTHING, key)}`, 'word')
    assert.deepEqual(crypto.chaCha20Poly1305Encrypt(Buffer.from('word'), nonce, NOTHING, key), sealed)
  })
})
