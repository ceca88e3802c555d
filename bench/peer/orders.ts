// What the benchmark and its two processes say to each other.

export type Variant = 'swarm' | 'stock'

export type Order =
  | { readonly type: 'serve'; readonly variant: Variant }
  | {
      readonly type: 'fetch'
      readonly variant: Variant
      readonly address: string
      readonly bytes: number
      readonly verify: boolean
    }
  | { readonly type: 'usage' }

/** Usage counts from the first byte that was asked for, on either side. */
export interface Report {
  /** Where a serving end is dialled; empty for others. */
  readonly address: string
  readonly seconds: number
  readonly cpuSeconds: number
  readonly rssMiB: number
}
