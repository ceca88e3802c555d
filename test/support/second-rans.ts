// RANS planes for the second decoder.

import { align16, ChunkRefused, check, checkZeros, u8, u16, u32 } from './second-fields.ts'

const LANES = 32

interface RansSizes {
  readonly bits: number
  readonly entries: number
  readonly words: number
  readonly streams: number
  readonly streamSymbols: number
}

/** The `count` symbols of a plane, whose descriptor agrees with the size of `data`. */
export function decodeRans(data: Uint8Array, sizes: RansSizes, count: number): Uint8Array {
  const { bits, entries, words, streams, streamSymbols } = sizes
  const frequenciesAt = align16(entries)
  const indexAt = frequenciesAt + align16(2 * entries)
  const statesAt = indexAt + align16(4 * streams)
  const wordsAt = statesAt + 128 * streams
  checkZeros(data, entries, frequenciesAt, 'paddingBytes')
  checkZeros(data, frequenciesAt + 2 * entries, indexAt, 'paddingBytes')
  checkZeros(data, indexAt + 4 * streams, statesAt, 'paddingBytes')
  const slots = readTable(data, frequenciesAt, entries, bits)
  const ends = Array.from({ length: streams }, (_, stream) => u32(data, indexAt + 4 * stream))
  ends.forEach((end, stream) => {
    const length = end - (ends[stream - 1] ?? 0)
    check(length >= 0 && length <= streamSymbols, 'streamIndex')
  })
  check(ends[streams - 1] === words, 'streamIndex')
  for (let lane = 0; lane < streams * LANES; lane++) {
    const state = u32(data, statesAt + 4 * lane)
    check(state >= 2 ** 15 && state < 2 ** 31, 'stateRange')
  }
  const symbols = new Uint8Array(count)
  ends.forEach((end, stream) => {
    const states = Array.from({ length: LANES }, (_, lane) => u32(data, statesAt + 128 * stream + 4 * lane))
    const own = data.subarray(wordsAt + 2 * (ends[stream - 1] ?? 0), wordsAt + 2 * end)
    const target = symbols.subarray(stream * streamSymbols, (stream + 1) * streamSymbols)
    decodeStream(slots, bits, states, own, target, u8(data, 0))
  })
  return symbols
}

interface Slot {
  readonly symbol: number
  readonly frequency: number
  readonly first: number
}

function readTable(data: Uint8Array, frequenciesAt: number, entries: number, bits: number): Slot[] {
  const slots: Slot[] = []
  const seen = new Set<number>()
  for (let entry = 0; entry < entries; entry++) {
    const symbol = u8(data, entry)
    const frequency = u16(data, frequenciesAt + 2 * entry)
    const previous = entry === 0 ? 2 ** bits : u16(data, frequenciesAt + 2 * entry - 2)
    check(frequency >= 1 && frequency <= previous && !seen.has(symbol), 'table')
    seen.add(symbol)
    const first = slots.length
    for (let slot = 0; slot < frequency; slot++) slots.push({ symbol, frequency, first })
  }
  check(slots.length === 2 ** bits, 'table')
  return slots
}

function decodeStream(
  slots: readonly Slot[],
  bits: number,
  states: number[],
  words: Uint8Array,
  target: Uint8Array,
  filler: number,
): void {
  let next = 0
  for (let position = 0; position < Math.ceil(target.length / LANES) * LANES; position++) {
    const lane = position % LANES
    const before = states[lane] ?? 0
    const number = before % 2 ** bits
    const slot = slots[number]
    if (slot === undefined) throw new ChunkRefused('table')
    let state = slot.frequency * Math.floor(before / 2 ** bits) + number - slot.first
    if (state < 2 ** 15) {
      check(next + 2 <= words.length, 'words')
      state = state * 2 ** 16 + u16(words, next)
      next += 2
    }
    states[lane] = state
    if (position < target.length) target[position] = slot.symbol
    else check(slot.symbol === filler, 'paddingSymbol')
  }
  check(next === words.length, 'words')
  check(
    states.every((state) => state === 2 ** 15),
    'finalState',
  )
}
