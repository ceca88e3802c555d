import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { noiseCrypto } from '../../src/exchange/noise-crypto.ts'

const SIZES = [0, 1, 16, 1199, 1200, 1201, 65_519]
const AD = new Uint8Array(0)

describe('the AEAD under noise', () => {
  const key = randomBytes(32)
  const nonce = randomBytes(12)

  for (const size of SIZES) {
    it(`seals ${size} bytes as the library does`, () => {
      const text = randomBytes(size)
      const expected = defaultCrypto.chaCha20Poly1305Encrypt(text, nonce, AD, key).subarray()
      const sealed = noiseCrypto.chaCha20Poly1305Encrypt(text, nonce, AD, key).subarray()
      assert.deepEqual(Buffer.from(sealed), Buffer.from(expected))
    })

    it(`opens ${size} bytes that the library sealed`, () => {
      const text = randomBytes(size)
      const sealed = defaultCrypto.chaCha20Poly1305Encrypt(text, nonce, AD, key).subarray()
      assert.deepEqual(Buffer.from(noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, AD, key).subarray()), text)
    })

    it(`refuses ${size} bytes with one bit changed, and another key`, () => {
      const sealed = Buffer.from(defaultCrypto.chaCha20Poly1305Encrypt(randomBytes(size), nonce, AD, key).subarray())
      const damaged = Buffer.from(sealed)
      damaged[size >> 1] = (damaged[size >> 1] ?? 0) ^ 1
      assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(damaged, nonce, AD, key))
      assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, AD, randomBytes(32)))
    })
  }
})
