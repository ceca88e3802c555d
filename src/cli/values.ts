// Values of options as people write them. Each parser either returns a checked number or throws one line that says what
// would have been right.

import { InvalidArgumentError } from 'commander'
import { SITE_CHARACTERS_MAX } from '../base/ids.ts'

const SI: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }
const BINARY: Readonly<Record<string, number>> = { ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30, ti: 2 ** 40 }
const MEASURE_MS_MAX = 24 * 60 * 60 * 1000
const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }

/** `23M` = 23,000,000; `512Mi` or `512MiB` = 512 x 2^20. Whole bytes, at least 1. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?)(?:b|b\/s)?$/i.exec(text.trim())
  const unit = (match?.[2] ?? '').toLowerCase()
  const factor = SI[unit] ?? BINARY[unit]
  const value = Math.floor(Number(match?.[1]) * (factor ?? Number.NaN))
  if (match === null || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('give a size such as 23M (23,000,000 bytes), 1.5G or 512MiB.')
  }
  return value
}

/** `90` and `90s` are 90 seconds; `500ms`, `5m`, `2h`, `1d`. Milliseconds, more than 0. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/i.exec(text.trim())
  const value = Math.round(Number(match?.[1]) * (SECONDS[(match?.[2] ?? 's').toLowerCase()] ?? Number.NaN) * 1000)
  if (match === null || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('give a duration such as 30s, 5m or 2h.')
  }
  return value
}

/** How long something is measured, in ms: a day at most, for which one timer is enough. */
export function parseMeasureMs(text: string): number {
  const ms = parseDurationMs(text)
  if (ms > MEASURE_MS_MAX) throw new InvalidArgumentError('give a duration of at most 1d, such as 10s.')
  return ms
}

/** A duration in ms; `0` is none. */
export function parseWaitMs(text: string): number {
  return /^0(ms|s|m|h|d)?$/.test(text) ? 0 : parseDurationMs(text)
}

/** `auto`, `forever`, or a duration in ms; `0` is none. */
export function parseLinger(text: string): 'auto' | 'forever' | number {
  if (text === 'auto' || text === 'forever') return text
  return parseWaitMs(text)
}

export function parseCopies(text: string): number | 'unlimited' {
  return text === 'unlimited' ? text : countParser(1, 1_000_000)(text)
}

/** A parser of whole numbers from `min` to `max`. */
export function countParser(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text.trim()) || value < min || value > max) {
      throw new InvalidArgumentError(`give a whole number from ${min} to ${max}.`)
    }
    return value
  }
}

/** A parser of sizes from `min` to `max` bytes. */
export function sizeParser(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = parseBytes(text)
    if (value < min || value > max) throw new InvalidArgumentError(`give ${formatBytes(min)} to ${formatBytes(max)}.`)
    return value
  }
}

/** The name of a site. */
export function siteParser(text: string): string {
  if (!/^[A-Za-z0-9._-]+$/.test(text) || text.length > SITE_CHARACTERS_MAX)
    throw new InvalidArgumentError(`give 1 to ${SITE_CHARACTERS_MAX} letters, digits, . _ or -.`)
  return text
}

/** For options that may be given several times, and once as a comma list in the environment. */
export function collect(text: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), ...text.split(',').filter((part) => part !== '')]
}

/** Decimal units, as networks and shops count: `1.23 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit]}`
}

export function formatSeconds(seconds: number): string {
  if (seconds < 99.5) return `${seconds < 9.95 ? seconds.toFixed(1) : seconds.toFixed(0)} s`
  const whole = Math.round(seconds)
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min ${whole - minutes * 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Where a join goes unless told: the last part of the snapshot's name, or its root when a ticket names none. */
export function defaultDirectory(name: string, root: string): string {
  return name === '' ? `snapshot-${root.slice(0, 12)}` : (name.split('/').at(-1) ?? name)
}
