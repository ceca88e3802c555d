// Fields of a chunk for the second decoder: little-endian numbers, padding, and refusals with the rule's name.

export class ChunkRefused extends Error {
  readonly rule: string
  constructor(rule: string) {
    super(`chunk refused: ${rule}`)
    this.rule = rule
  }
}

export function check(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new ChunkRefused(rule)
}

export function checkZeros(bytes: Uint8Array, from: number, to: number, rule: string): void {
  for (let at = from; at < to; at++) check(u8(bytes, at) === 0, rule)
}

export function align16(size: number): number {
  return Math.ceil(size / 16) * 16
}

export function u8(bytes: Uint8Array, at: number): number {
  const value = bytes[at]
  if (value === undefined) throw new Error(`second decoder read past the end at ${at}`)
  return value
}

export function u16(bytes: Uint8Array, at: number): number {
  return u8(bytes, at) + u8(bytes, at + 1) * 2 ** 8
}

export function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) + u16(bytes, at + 2) * 2 ** 16
}
