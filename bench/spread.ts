// The middle and the range of what was measured several times.

import { median } from '../src/node/bench-scaling.ts'

export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** Of at least one value. */
export function spread(values: readonly number[]): Spread {
  return { median: median([...values]), least: Math.min(...values), most: Math.max(...values) }
}

export function spreadText({ median: middle, least, most }: Spread, digits = 2): string {
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`
}
