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
  { codec: 'ans', element: 'bytes', id: 'cc4d95c7ed266abd9c0474e6e2d8b95fd071509e909d714b975d6aa983eaa69a' },
  { codec: 'ans', element: 'bf16', id: 'f158fc5be4a004a3ef3fad0f42278d1c23ec73d0ec7a9486c673cf9e30810244' },
  { codec: 'ans', element: 'fp16', id: '7db50c417680048daea0a97a6d0c900bdddbfe6a3e7cd274017ffdb637d4fb6f' },
  { codec: 'ans', element: 'fp32', id: 'ecb78ccb14575c4a987f60a51cf512581faf0ba1ef1d8bbc0a39c25ed08d7c4e' },
  { codec: 'ans-fast', element: 'bf16', id: '3cc9e716d9a590e36f07ac0cecc531f069e5c365cc183235fee2e18bd1e15425' },
  { codec: 'ans-fast', element: 'bytes', id: '9ab0e61de4f25b8e674b67d68cf8185db10bc44f19fe733fb8b56ef13bee21d2' },
  { codec: 'raw', element: 'unknown', id: '769d9568ec8756aa6dbd2148adc5c60e0bc33fd5f784b8c9809561712530a33a' },
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
