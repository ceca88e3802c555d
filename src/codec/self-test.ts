// Does this machine encode and decode correctly? Made-up samples of every kind, compared with ids that are right everywhere.

import { SwarmError } from '../base/errors.ts'
import { hashToId } from '../base/hash.ts'
import { Prng } from '../base/prng.ts'
import type { Codec, CodecChoice, ElementType } from './codec.ts'

interface Sample {
  readonly codec: CodecChoice
  readonly element: ElementType
  /** BLAKE3 of the encoded chunk; undefined for zstd, whose bytes differ between library versions. */
  readonly id: string | undefined
}

const SAMPLE_ELEMENTS = 40_000

const SAMPLES: readonly Sample[] = [
  { codec: 'ans', element: 'bytes', id: 'a7663fa42cc67ff19b36b07549ccc6f3cd3826af8f90dd5ec45ad4e21bb80fb1' },
  { codec: 'ans', element: 'bf16', id: 'fd089f51ae691b3c400bf8ab9516c226fcdc5952877dd15edff52e1839099841' },
  { codec: 'ans', element: 'fp16', id: 'a09bd82e7966f49f8bdb8049f73e6cee049caaac5f619f0522e04372f633d32e' },
  { codec: 'ans', element: 'fp32', id: 'da636b438c59771e0a741aa4134f0d6642ee30adef9d7295139912f056a05a2e' },
  { codec: 'raw', element: 'unknown', id: 'bd98421828127abf0c4a3415af4b05c158c8e028434d42fe4661ed2ed8feaf11' },
  { codec: 'zstd', element: 'unknown', id: undefined },
]

/** Rejects with `integrity` (blame `local`) when a sample comes out wrong. Takes a few milliseconds. */
export async function runSelfTest(codec: Codec): Promise<void> {
  for (const sample of SAMPLES) await checkSample(codec, sample)
}

async function checkSample(codec: Codec, sample: Sample): Promise<void> {
  const raw = makeSample(sample.element)
  const out = new Uint8Array(codec.maxEncodedBytes(raw.length))
  const size = await codec.encode(raw, out, { codec: sample.codec, element: sample.element, zstdLevel: 3 })
  const encoded = out.subarray(0, size)
  const id = hashToId(encoded)
  if (sample.id !== undefined && id !== sample.id) throw selfTestFailed(sample, `encoded to ${id}, not ${sample.id}`)
  const decoded = new Uint8Array(raw.length)
  await codec.decode(encoded, decoded)
  if (hashToId(decoded) !== hashToId(raw)) throw selfTestFailed(sample, 'decoded to other bytes')
}

function selfTestFailed(sample: Sample, what: string): SwarmError {
  return new SwarmError('integrity', `self-test of the codec, ${sample.codec} of ${sample.element}: ${what}`, {
    blame: 'local',
    cure: "run 'npm run build' again; if that does not help, this machine's memory or processor is faulty",
  })
}

/** Elements whose most significant byte is skewed, as in weights, and whose other bytes are evenly spread. */
function makeSample(element: ElementType): Uint8Array {
  const width = element === 'fp32' ? 4 : element === 'bf16' || element === 'fp16' ? 2 : 1
  const chance = new Prng(width)
  const bytes = new Uint8Array(SAMPLE_ELEMENTS * width)
  for (let position = 0; position < bytes.length; position++) {
    const draw = chance.nextUint32()
    const isTop = position % width === width - 1
    bytes[position] = isTop ? 48 + Math.clz32(draw) : draw >>> 24
  }
  return bytes
}
