// Every chunk vector through the native codec and through the second decoder, which knows only the protocol text.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { isSwarmError } from '../../src/base/errors.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { availableCodecPaths, openNativeCodec } from '../../src/codec/native-codec.ts'
import { ChunkRefused, decodePlainly, readPlainHeader } from '../support/second-decoder.ts'
import { encodePlainly } from '../support/second-encoder.ts'
import { parseVectorIndex, readVector, VECTOR_FOLDER } from './chunk-vector-files.ts'

/** Rules of protocols/chunk.md that a vector must break. */
const RULES =
  'truncated magic version headerChecksum codec headerField rawBytes encodedBytes directory segmentHeader planeMode ' +
  'planeLayout table streamIndex stateRange words finalState paddingSymbol escapes code paddingBytes checksum zstdPayload'

const index = parseVectorIndex()
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('chunk vectors', () => {
  let codecs: Codec[]
  before(() => {
    codecs = availableCodecPaths().map((path) => openNativeCodec({ threads: 1, path }))
    console.log(`      native paths: ${codecs.map(({ status }) => status.path).join(', ')}`)
  })
  after(() => Promise.all(codecs.map((codec) => codec.close())))

  it('lists exactly the files of the folder, and breaks every rule at least once', () => {
    const listed = [...index.good, ...index.bad].map(({ file }) => file)
    assert.deepEqual([...listed, 'index.json'].sort(), readdirSync(VECTOR_FOLDER).sort())
    assert.deepEqual([...new Set(index.bad.map(({ rule }) => rule))].sort(), RULES.split(' ').sort())
  })

  for (const entry of index.good) {
    it(`${entry.file} decodes alike in both decoders${entry.reencodes ? ' and encodes to the same bytes in both encoders' : ''}`, async () => {
      const chunk = readVector(entry)
      const plain = decodePlainly(chunk)
      assert.equal(digest(plain), entry.rawSha256, 'second decoder')
      const header = readPlainHeader(chunk)
      if (entry.reencodes && header.codec === 1)
        assert.deepEqual(encodePlainly(plain, header.hint, header.level), Buffer.from(chunk), 'second encoder')
      for (const codec of codecs) {
        const info = codec.inspect(chunk)
        assert.equal(info.rawBytes, entry.rawBytes)
        assert.equal(info.encodedBytes, chunk.length)
        const raw = new Uint8Array(entry.rawBytes)
        await codec.decode(chunk, raw)
        assert.equal(digest(raw), entry.rawSha256, `native decoder, ${codec.status.path}`)
        if (!entry.reencodes) continue
        const out = new Uint8Array(codec.maxEncodedBytes(raw.length))
        const size = await codec.encode(raw, out, { codec: info.codec, element: info.element, zstdLevel: 3 })
        assert.equal(Buffer.compare(out.subarray(0, size), chunk), 0, codec.status.path)
      }
    })
  }

  for (const entry of index.bad) {
    it(`${entry.file} is refused by both decoders: ${entry.rule}`, async () => {
      const chunk = readVector(entry)
      assert.throws(
        () => decodePlainly(chunk),
        (error) => error instanceof ChunkRefused && error.rule === entry.rule,
      )
      const raw = new Uint8Array(claimedRawBytes(chunk))
      for (const codec of codecs)
        await assert.rejects(codec.decode(chunk, raw), (error) => {
          assert.ok(isSwarmError(error))
          assert.deepEqual([error.code, error.blame, error.details['rule']], ['integrity', 'peer', entry.rule])
          return true
        })
    })
  }
})

/** The raw size that the header claims, as far as the format allows one. */
function claimedRawBytes(chunk: Uint8Array): number {
  if (chunk.length < 12) return 0
  const claimed = new DataView(chunk.buffer, chunk.byteOffset).getUint32(8, true)
  return claimed <= 2 ** 24 ? claimed : 0
}
