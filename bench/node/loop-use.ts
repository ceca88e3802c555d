// What the samples of loop-watch.mjs say about a span of time.

/** Wall clock, ms, and how long the loop was active until then, ms. */
export type LoopSample = readonly [atMs: number, activeMs: number]

export interface LoopUse {
  /** Of the whole span. */
  readonly share: number
  /** The largest of any WINDOW_MS, or of the shortest longer time between two samples. */
  readonly busiestShare: number
  /** How many of those windows, one from each sample on, were more than nine tenths active. */
  readonly windowsFull: number
  readonly windows: number
  /** The longest time between two samples: a timer had to wait that long. */
  readonly longestGapMs: number
}

export const WINDOW_MS = 100
const FULL_SHARE = 0.9

export function parseLoopSamples(text: string): LoopSample[] {
  return text.split('\n').flatMap((line) => {
    const [atMs, activeMs]: number[] = line === '' ? [] : JSON.parse(line)
    return atMs === undefined || activeMs === undefined ? [] : [[atMs, activeMs] as const]
  })
}

/** Throws when there are no two samples in the span. */
export function loopUse(samples: readonly LoopSample[], fromMs: number, toMs: number): LoopUse {
  const own = samples.filter(([atMs]) => atMs >= fromMs && atMs <= toMs)
  const [first, last] = [own[0], own.at(-1)]
  if (first === undefined || last === undefined || first === last) throw new Error('no samples of the event loop')
  const shares: number[] = []
  let longestGapMs = 0
  let end = 0
  for (const [start, [atMs, activeMs]] of own.entries()) {
    longestGapMs = Math.max(longestGapMs, (own[start + 1]?.[0] ?? atMs) - atMs)
    while (end < own.length && (own[end]?.[0] ?? 0) - atMs < WINDOW_MS) end++
    const until = own[end]
    if (until !== undefined) shares.push((until[1] - activeMs) / (until[0] - atMs))
  }
  return {
    share: (last[1] - first[1]) / (last[0] - first[0]),
    busiestShare: Math.max(0, ...shares),
    windowsFull: shares.filter((share) => share > FULL_SHARE).length,
    windows: shares.length,
    longestGapMs,
  }
}
