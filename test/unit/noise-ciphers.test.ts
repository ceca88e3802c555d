// What stands in the bundle for noise's WebAssembly modules gives the same bytes as they do.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'

/** No types come with it: the bundler alone knows it. */
interface Ciphers {
  newInstance(): unknown
  digest(data: Uint8Array): Uint8Array
  ChaCha20Poly1305: new (
    instance: unknown,
  ) => {
    seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, ad?: Uint8Array): Uint8Array
    open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, ad?: Uint8Array, into?: Uint8Array): Uint8Array | null
  }
}

const MODULE = '../../.ci/noise-ciphers.mjs'
const NOTHING = new Uint8Array(0)

describe('the ciphers of noise in the bundle', () => {
  const key = randomBytes(32)
  const nonce = randomBytes(12)
  let ciphers: Ciphers
  let cipher: InstanceType<Ciphers['ChaCha20Poly1305']>

  before(async () => {
    ciphers = await import(MODULE)
    cipher = new ciphers.ChaCha20Poly1305(ciphers.newInstance())
  })

  for (const size of [0, 1, 1199, 65_519]) {
    it(`seal and open ${size} bytes as the library does`, () => {
      const text = randomBytes(size)
      for (const ad of [NOTHING, randomBytes(32)]) {
        const expected = Buffer.from(defaultCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, key).subarray())
        const sealed = Buffer.from(cipher.seal(key, nonce, text, ad))
        assert.deepEqual(sealed, expected)
        assert.deepEqual(Buffer.from(cipher.open(key, nonce, sealed, ad) ?? 'refused'), text)
        const into = Buffer.alloc(size)
        assert.equal(cipher.open(key, nonce, sealed, ad, into), into)
        assert.deepEqual(into, text)
      }
    })
  }

  it('refuse a wrong tag, wrong associated data and less than a tag', () => {
    const sealed = cipher.seal(key, nonce, randomBytes(100))
    const wrong = Uint8Array.from(sealed)
    wrong[100] = (wrong[100] ?? 0) ^ 1
    assert.equal(cipher.open(key, nonce, wrong), null)
    assert.equal(cipher.open(key, nonce, sealed, randomBytes(1)), null)
    assert.equal(cipher.open(key, nonce, sealed.subarray(0, 15)), null)
    assert.throws(() => cipher.open(key, nonce, sealed, NOTHING, Buffer.alloc(101)), /room/)
  })

  it('hash with SHA-256', () => {
    const data = randomBytes(100)
    assert.deepEqual(Buffer.from(ciphers.digest(data)), createHash('sha256').update(data).digest())
  })
})
