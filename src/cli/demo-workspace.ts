// Makes the workspace that the demo copies: tensors with values distributed like trained weights, text, many small files,
// and every odd kind of entry that a real tree holds. The same bytes every time.

import { mkdir, open, symlink, writeFile } from 'node:fs/promises'
import { Prng } from '../base/prng.ts'

const MIB = 1024 * 1024
const QUANTILES = 65_536
/** Values written at a time; a multiple of every element size. */
const BATCH_VALUES = 1 << 20

interface Tensor {
  readonly name: string
  readonly dtype: 'BF16' | 'F16' | 'F32'
  readonly values: number
}

/** Files and raw bytes of the plan below: about 600 MiB at scale 1. */
export async function makeDemoWorkspace(directory: string, scale: number): Promise<void> {
  const random = new Prng(20_260_101)
  const normal = normalQuantiles()
  await mkdir(`${directory}/model`, { recursive: true })
  const size = (mib: number): number => Math.max(1, Math.round(mib * scale)) * MIB
  await writeSafetensors(
    `${directory}/model/model-00001-of-00002.safetensors`,
    layers('BF16', 2, size(220), 0),
    normal,
    random,
  )
  await writeSafetensors(
    `${directory}/model/model-00002-of-00002.safetensors`,
    layers('BF16', 2, size(200), 100),
    normal,
    random,
  )
  await writeSafetensors(`${directory}/model/adapter.safetensors`, layers('F16', 2, size(60), 200), normal, random)
  await writeSafetensors(`${directory}/model/optimizer.safetensors`, layers('F32', 4, size(80), 300), normal, random)
  await writeText(directory, size(30), Math.ceil(2000 * scale), random)
  await writeOddities(directory)
}

/** One .safetensors file of about `bytes` with bf16 tensors, each with its own spread. `first` numbers its layers. */
export async function writeBfloat16Weights(path: string, bytes: number, first: number): Promise<void> {
  await writeSafetensors(path, layers('BF16', 2, bytes, first), normalQuantiles(), new Prng(first))
}

/** Matrices of a few sizes with a norm vector between them, as checkpoints have. */
function layers(dtype: Tensor['dtype'], elementBytes: number, bytes: number, first: number): Tensor[] {
  const tensors: Tensor[] = []
  let left = bytes / elementBytes
  for (let layer = first; left > 0; layer++) {
    for (const [name, share] of [
      ['attn.q_proj', 4],
      ['attn.o_proj', 4],
      ['mlp.up_proj', 11],
      ['norm', 0],
    ] as const) {
      const values = Math.min(left, share === 0 ? 4096 : share * MIB)
      if (values > 0) tensors.push({ name: `model.layers.${layer}.${name}.weight`, dtype, values })
      left -= values
    }
  }
  return tensors
}

/** The standard normal distribution at 65,536 equally likely points (Acklam's rational approximation of its inverse). */
function normalQuantiles(): Float64Array {
  const quantiles = new Float64Array(QUANTILES)
  for (let index = 0; index < QUANTILES; index++) quantiles[index] = inverseNormal((index + 0.5) / QUANTILES)
  return quantiles
}

function inverseNormal(probability: number): number {
  const tail = Math.min(probability, 1 - probability)
  const sign = probability < 0.5 ? -1 : 1
  if (tail < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(tail))
    const top =
      ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q +
        4.374664141464968) *
        q +
      2.938163982698783
    const bottom =
      (((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1
    return -sign * (top / bottom)
  }
  const q = probability - 0.5
  const r = q * q
  const top =
    (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
      2.506628277459239) *
    q
  const bottom =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
    1
  return top / bottom
}

async function writeSafetensors(
  path: string,
  tensors: readonly Tensor[],
  normal: Float64Array,
  random: Prng,
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const { name, dtype, values } of tensors) {
    const bytes = values * (dtype === 'F32' ? 4 : 2)
    header[name] = { dtype, shape: [values], data_offsets: [offset, offset + bytes] }
    offset += bytes
  }
  let json = JSON.stringify(header)
  json += ' '.repeat((8 - (json.length % 8)) % 8)
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  const file = await open(path, 'w')
  try {
    await file.write(Buffer.concat([prefix, Buffer.from(json)]))
    for (const tensor of tensors) {
      for (let done = 0; done < tensor.values; done += BATCH_VALUES) {
        await file.write(values(tensor, Math.min(BATCH_VALUES, tensor.values - done), normal, random))
      }
    }
  } finally {
    await file.close()
  }
}

/** Every tensor has its own spread, from 0.008 to 0.06, as trained matrices do; norm vectors lie around 1. */
function values(tensor: Tensor, count: number, normal: Float64Array, random: Prng): Uint8Array {
  const isNorm = tensor.name.includes('norm')
  const sigma = isNorm ? 0.1 : 0.008 * 2 ** (hashOf(tensor.name) * 2.9)
  const mean = isNorm ? 1 : 0
  if (tensor.dtype === 'F32') return float32Values(count, normal, random, sigma, mean)
  const convert = tensor.dtype === 'BF16' ? bfloat16Bits : float16Bits
  const table = Uint16Array.from(normal, (quantile) => convert(quantile * sigma + mean))
  const out = new Uint16Array(count)
  for (let index = 0; index < count; index += 2) {
    const bits = random.nextUint32()
    out[index] = table[bits & 0xffff] ?? 0
    if (index + 1 < count) out[index + 1] = table[bits >>> 16] ?? 0
  }
  return new Uint8Array(out.buffer)
}

function float32Values(count: number, normal: Float64Array, random: Prng, sigma: number, mean: number): Uint8Array {
  const exact = Float32Array.from(normal, (quantile) => quantile * sigma + mean)
  const table = new Uint32Array(exact.buffer)
  const out = new Uint32Array(count)
  for (let index = 0; index < count; index++) {
    const bits = random.nextUint32()
    // The quantile gives sign, exponent and the first bits of the mantissa; the rest is noise, as in real weights.
    out[index] = ((table[bits & 0xffff] ?? 0) & ~0xfff) | (bits >>> 20)
  }
  return new Uint8Array(out.buffer)
}

function bfloat16Bits(value: number): number {
  const bits = float32Bits(value)
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

function float16Bits(value: number): number {
  const bits = float32Bits(value)
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 0xff) - 112
  if (exponent <= 0) return sign | Math.round(Math.abs(value) * 2 ** 24)
  return sign | (((exponent << 10) | ((bits >>> 13) & 0x3ff)) + ((bits >>> 12) & 1))
}

const scratch = new DataView(new ArrayBuffer(4))

function float32Bits(value: number): number {
  scratch.setFloat32(0, value)
  return scratch.getUint32(0)
}

/** A fraction in [0, 1) that depends on the name alone. */
function hashOf(name: string): number {
  let hash = 0
  for (const character of name) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0
  return new Prng(hash).nextUint32() / 2 ** 32
}

const WORDS =
  'return self config hidden states attention mask batch tokens layer output weight bias index tensor shape device dtype forward backward loss step learning rate scheduler optimizer dataset loader sample cache key value query head norm dropout linear embed position rotary scale logits argmax gather scatter mean sum sqrt softmax gelu'.split(
    ' ',
  )

/** Source text in many small files and a few large logs. */
async function writeText(directory: string, bytes: number, files: number, random: Prng): Promise<void> {
  let left = Math.floor(bytes / 2)
  for (let index = 0; index < files; index++) {
    const folder = `${directory}/src/package_${index % 40}`
    if (index < 40) await mkdir(folder, { recursive: true })
    const length = Math.min(left, 500 + random.below(Math.max(1, Math.floor(bytes / files))))
    await writeFile(`${folder}/module_${index}.py`, sourceText(length, random))
    left -= length
  }
  await mkdir(`${directory}/logs`)
  await writeFile(`${directory}/logs/train.log`, sourceText(Math.floor(bytes / 2), random))
}

function sourceText(length: number, random: Prng): string {
  const lines: string[] = []
  let total = 0
  while (total < length) {
    const words = Array.from({ length: 3 + random.below(7) }, () => WORDS[random.below(WORDS.length)] ?? '')
    const line = `${'    '.repeat(random.below(4))}${words[0]}.${words.slice(1).join('_')} = ${words.at(-1)}(${random.below(4096)})`
    lines.push(line)
    total += line.length + 1
  }
  return lines.join('\n').slice(0, length)
}

async function writeOddities(directory: string): Promise<void> {
  const odd = `${directory}/odd`
  await mkdir(`${odd}/empty-directory/inner`, { recursive: true })
  await writeFile(`${odd}/empty-file`, '')
  await writeFile(`${odd}/-leading-dash`, 'x')
  await writeFile(`${odd}/trailing space `, 'x')
  await writeFile(`${odd}/two\nlines`, 'x')
  await writeFile(`${odd}/ünïcødé 模型`, 'x')
  await writeFile(Buffer.concat([Buffer.from(`${odd}/not-utf8-`), Buffer.from([0xff, 0xfe])]), 'x')
  await writeFile(`${odd}/read-only`, 'x', { mode: 0o444 })
  await writeFile(`${odd}/run.sh`, '#!/bin/sh\necho hello\n', { mode: 0o755 })
  await symlink('../model/adapter.safetensors', `${odd}/link-to-file`)
  await symlink('..', `${odd}/link-to-directory`)
  await symlink('nowhere/at all', `${odd}/dangling-link`)
}
