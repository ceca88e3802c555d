// The AEAD of noise (ChaCha20-Poly1305, RFC 8439) for its frames. Same bytes as the library's own, for half of the CPU time: a
// context is made once for a key and not for every frame, and each frame is one call. Everything else is left to the library.

import type { ICryptoInterface } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'

/** ChaCha20-Poly1305 with one key, in native code. */
export interface FrameCipher {
  /** The parts one after the other, and then the tag, into `out`, which is as long as they are and overlaps none of them. */
  seal(parts: readonly Uint8Array[], nonce: Uint8Array, ad: Uint8Array, out: Uint8Array): void
  /** The other way; `out` may be where the parts are, but for the tag. False when the tag is wrong. */
  open(parts: readonly Uint8Array[], nonce: Uint8Array, ad: Uint8Array, out: Uint8Array): boolean
}

/** Makes one for a key of 32 bytes, which is copied. */
export type MakeFrameCipher = (key: Uint8Array) => FrameCipher

type Bytes = Parameters<ICryptoInterface['chaCha20Poly1305Encrypt']>[0]

const TAG_BYTES = 16
/** Noise puts the length of a frame, 16 bits, big-endian, before it. */
const LENGTH_BYTES = 2

/** What noise computes with: `makeCipher` for frames, the library's own for the rest; for frames too where there is none. */
export function noiseCrypto(makeCipher?: MakeFrameCipher): ICryptoInterface {
  if (makeCipher === undefined) return defaultCrypto
  /** By the array that noise keeps for as long as the connection lives; noise never changes a key in place. */
  const ciphers = new WeakMap<Uint8Array, FrameCipher>()
  const cipherOf = (key: Uint8Array): FrameCipher => {
    const known = ciphers.get(key)
    if (known !== undefined) return known
    const made = makeCipher(key)
    ciphers.set(key, made)
    return made
  }
  return {
    ...defaultCrypto,

    chaCha20Poly1305Encrypt(plaintext, nonce, ad, k) {
      const sealed = Buffer.allocUnsafeSlow(LENGTH_BYTES + plaintext.byteLength + TAG_BYTES).subarray(LENGTH_BYTES)
      cipherOf(k).seal(partsOf(plaintext), nonce, ad, sealed)
      return sealed
    },

    chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst) {
      if (ciphertext.byteLength < TAG_BYTES) throw new Error('a noise frame is shorter than its tag')
      const text = dst ?? Buffer.allocUnsafeSlow(ciphertext.byteLength - TAG_BYTES)
      if (cipherOf(k).open(partsOf(ciphertext), nonce, ad, text)) return text
      throw new Error('a noise frame has a wrong tag')
    },
  }
}

/**
 * `length` and then `sealed`, without a copy, where the latter was sealed in here: it has room for its length before it.
 * Undefined for anything else.
 */
export function joinLength(length: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const { buffer, byteOffset, byteLength } = sealed
  const hasRoom = byteOffset === LENGTH_BYTES && buffer.byteLength === LENGTH_BYTES + byteLength
  if (!hasRoom || length.byteLength !== LENGTH_BYTES) return undefined
  const joined = new Uint8Array(buffer)
  joined.set(length)
  return joined
}

function partsOf(bytes: Bytes): Uint8Array[] {
  return bytes instanceof Uint8Array ? [bytes] : [...bytes]
}
