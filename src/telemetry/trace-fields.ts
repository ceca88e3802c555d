// Values of a parsed JSON line, taken out with their types proved. A trace comes from a stranger's bug report: nothing in
// it is believed before it was looked at here.

import { Bitfield } from '../base/bitfield.ts'

/** The line breaks a rule of the format; the message says which. Whoever knows the line's number adds it. */
export class MalformedLine extends Error {
  override readonly name = 'MalformedLine'
}

/** Chunks of one snapshot that a trace may speak of. */
export const TRACE_CHUNKS_MAX = 2 ** 24
const HEX = /^(?:[0-9a-f]{2})*$/

export class Fields {
  readonly #path: string
  readonly #values: ReadonlyMap<string, unknown>

  /** `path` names the object in messages. Throws MalformedLine, as every method does, when `value` is no object. */
  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new MalformedLine(`${path} is not an object`)
    }
    this.#path = path
    this.#values = new Map(Object.entries(value))
  }

  /** As it stands; undefined where there is none. */
  raw(name: string): unknown {
    return this.#values.get(name)
  }

  names(): readonly string[] {
    return [...this.#values.keys()]
  }

  integer(name: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#values.get(name)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw this.#wrong(name, `a whole number from ${min} to ${max}`)
    }
    return value
  }

  boolean(name: string): boolean {
    const value = this.#values.get(name)
    if (typeof value !== 'boolean') throw this.#wrong(name, 'true or false')
    return value
  }

  /** Of `lengthMin` to `lengthMax` characters. */
  text(name: string, lengthMax: number, lengthMin = 1): string {
    const value = this.#values.get(name)
    if (typeof value !== 'string' || value.length < lengthMin || value.length > lengthMax) {
      throw this.#wrong(name, `a text of ${lengthMin} to ${lengthMax} characters`)
    }
    return value
  }

  /** One of the keys of `known`. */
  word<Word extends string>(name: string, known: Readonly<Record<Word, unknown>>): Word {
    const value = this.#values.get(name)
    if (typeof value !== 'string' || !isKey(value, known)) {
      throw this.#wrong(name, `one of ${Object.keys(known).join(', ')}`)
    }
    return value
  }

  list<Item>(name: string, lengthMax: number, parse: (value: unknown, path: string) => Item): Item[] {
    const value = this.#values.get(name)
    if (!Array.isArray(value) || value.length > lengthMax) {
      throw this.#wrong(name, `a list of at most ${lengthMax}`)
    }
    return value.map((item: unknown, index) => parse(item, `${this.#name(name)}[${index}]`))
  }

  object(name: string): Fields {
    return new Fields(this.#values.get(name), this.#name(name))
  }

  bitfield(name: string): Bitfield {
    const fields = this.object(name)
    const size = fields.integer('size', 0, TRACE_CHUNKS_MAX)
    const bits = fields.#values.get('bits')
    const parsed =
      typeof bits === 'string' && HEX.test(bits) ? Bitfield.parse(Buffer.from(bits, 'hex'), size) : undefined
    if (parsed === undefined) throw this.#wrong(name, `the bits of a set of ${size} in hex`)
    return parsed
  }

  #name(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }

  #wrong(name: string, wanted: string): MalformedLine {
    return new MalformedLine(`${this.#name(name)} is not ${wanted}`)
  }
}

/** A whole number of a list. */
export function parseInteger(value: unknown, path: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) return value
  throw new MalformedLine(`${path} is not a whole number from 0 to ${max}`)
}

function isKey<Word extends string>(text: string, known: Readonly<Record<Word, unknown>>): text is Word {
  return Object.hasOwn(known, text)
}
