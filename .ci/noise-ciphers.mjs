// What noise's own crypto asks of two WebAssembly modules, @chainsafe/as-chacha20poly1305 and @chainsafe/as-sha256, done by
// Node's OpenSSL. In the bundle it stands for both: they are compiled at every start, and used only where the addon is missing.

import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'

const ALGORITHM = 'chacha20-poly1305'
const TAG_BYTES = 16
const OPTIONS = { authTagLength: TAG_BYTES }
const NOTHING = new Uint8Array(0)

/** The module's memory, of which there is none. */
export function newInstance() {
  return undefined
}

/** SHA-256, 32 bytes, newly allocated. */
export function digest(data) {
  return createHash('sha256').update(data).digest()
}

/** RFC 8439. */
export class ChaCha20Poly1305 {
  /** The ciphertext and its tag, newly allocated. */
  seal(key, nonce, plaintext, ad = NOTHING) {
    const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS)
    cipher.setAAD(ad, { plaintextLength: plaintext.length })
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  }

  /** The plaintext, in `into` where that is given, or null when the tag is wrong. */
  open(key, nonce, sealed, ad = NOTHING, into = undefined) {
    if (sealed.length < TAG_BYTES) return null
    const text = sealed.subarray(0, sealed.length - TAG_BYTES)
    if (into !== undefined && into.length !== text.length) throw new Error('no room for exactly the plaintext')
    const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS)
    decipher.setAAD(ad, { plaintextLength: text.length })
    decipher.setAuthTag(sealed.subarray(text.length))
    const opened = decipher.update(text)
    try {
      decipher.final()
    } catch {
      return null
    }
    if (into === undefined) return opened
    into.set(opened)
    return into
  }
}
