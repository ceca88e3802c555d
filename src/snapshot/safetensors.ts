// Where tensors lie in a .safetensors file, from its header: 8 bytes little-endian length, then JSON
// (format as published by its authors). A header that breaks any rule is not believed at all: the file is then plain bytes.

import { SAFETENSORS_HEADER_BYTES_MAX } from './limits.ts'
import type { ElementName } from './manifest.ts'

export const SAFETENSORS_LENGTH_BYTES = 8

export interface TensorRange {
  /** Bytes from the start of the file. */
  readonly start: number
  readonly end: number
  readonly element: ElementName
}

const ELEMENT_OF_DTYPE: ReadonlyMap<string, ElementName> = new Map([
  ['BF16', 'bf16'],
  ['F16', 'fp16'],
  ['F32', 'fp32'],
])

/** Length of the JSON header, or undefined when the file cannot be safetensors or the header is too long. `prefix` holds the first 8 bytes. */
export function safetensorsHeaderBytes(prefix: Uint8Array, fileBytes: number): number | undefined {
  if (prefix.length < SAFETENSORS_LENGTH_BYTES) return undefined
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength)
  const length = view.getBigUint64(0, true)
  const lengthMax = Math.min(fileBytes - SAFETENSORS_LENGTH_BYTES, SAFETENSORS_HEADER_BYTES_MAX)
  if (length < 2n || length > BigInt(lengthMax)) return undefined
  return Number(length)
}

/** Tensors in file order, gap-free up to the end of the file; undefined when any rule is broken. */
export function parseSafetensorsHeader(header: Uint8Array, fileBytes: number): TensorRange[] | undefined {
  const json = parseJson(header)
  if (!isRecord(json)) return undefined
  const dataStart = SAFETENSORS_LENGTH_BYTES + header.length
  const tensors: TensorRange[] = []
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') continue
    const tensor = parseTensor(value, dataStart)
    if (tensor === undefined) return undefined
    tensors.push(tensor)
  }
  tensors.sort((a, b) => a.start - b.start || a.end - b.end)
  let reached = dataStart
  for (const tensor of tensors) {
    if (tensor.start !== reached) return undefined
    reached = tensor.end
  }
  return reached === fileBytes ? tensors : undefined
}

function parseTensor(value: unknown, dataStart: number): TensorRange | undefined {
  if (!isRecord(value)) return undefined
  const { dtype, data_offsets: offsets } = value
  if (typeof dtype !== 'string' || !Array.isArray(offsets) || offsets.length !== 2) return undefined
  const [start, end]: unknown[] = offsets
  if (!isOffset(start) || !isOffset(end) || end < start) return undefined
  return { start: dataStart + start, end: dataStart + end, element: ELEMENT_OF_DTYPE.get(dtype) ?? 'unknown' }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOffset(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
