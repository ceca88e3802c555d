// What a source sends, sealed beforehand with Node's own cipher, so that sealing it costs nothing while the other end is measured.

import { createCipheriv } from 'node:crypto'
import { open } from 'node:fs/promises'

/** As large as a chunk of the default size. */
export const ANSWER_BYTES = 8 * 2 ** 20
const BODY_BYTES = 64 * 1024
const HEADER_BYTES = 16
const NONCE_BYTES = 12
const KEY_BYTES = 32
const READY = 0
const FRAME = 1

export const FAR_END_KEY = Buffer.alloc(KEY_BYTES, 1)
export const NEAR_END_KEY = Buffer.alloc(KEY_BYTES, 2)

/** A record that says that its sender is ready, then `answers` answers of ANSWER_BYTES, with the ids 0, 1, .. */
export async function writeSealedRecords(path: string, answers: number): Promise<void> {
  const body = Buffer.alloc(BODY_BYTES, 3)
  const file = await open(path, 'w')
  let number = 0
  await file.write(seal(number++, READY, 0, 0, Buffer.alloc(0)))
  for (let id = 0; id < answers; id++)
    for (let offset = 0; offset < ANSWER_BYTES; offset += BODY_BYTES)
      await file.write(seal(number++, FRAME, id, offset, body))
  await file.close()
}

function seal(number: number, kind: number, id: number, offset: number, body: Buffer): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeBigUInt64BE(BigInt(number), 4)
  const header = Buffer.alloc(HEADER_BYTES)
  for (const [index, word] of [kind, id, offset].entries()) header.writeUInt32BE(word, 4 * index)
  const cipher = createCipheriv('aes-256-gcm', FAR_END_KEY, nonce)
  const sealed = Buffer.concat([cipher.update(header), cipher.update(body), cipher.final(), cipher.getAuthTag()])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(sealed.length)
  return Buffer.concat([length, sealed])
}
