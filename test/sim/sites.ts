// Links between groups of nodes: what all nodes of one site send to those of another shares one of them per direction.

import type { VirtualClock } from './clock.ts'
import { ReceivingLink } from './links.ts'

export interface SiteLinkSpec {
  readonly between: readonly [string, string]
  /** Bytes per ms, per direction. Default: no limit. */
  readonly rate?: number
  readonly delayUs?: number
}

interface Placed {
  readonly site?: string
}

interface Way {
  readonly link: ReceivingLink | undefined
  readonly delayUs: number
}

export class SiteLinks {
  readonly #delayUs: number
  readonly #ways = new Map<string, Way>()
  readonly #cut = new Set<string>()

  /** `delayUs` is what messages take within a site, and between sites without a link of their own. */
  constructor(clock: VirtualClock, delayUs: number, specs: readonly SiteLinkSpec[]) {
    this.#delayUs = delayUs
    for (const { between, rate, delayUs: own } of specs)
      for (const name of namesOf(between)) {
        const link = rate === undefined ? undefined : new ReceivingLink(clock, rate)
        this.#ways.set(name, { link, delayUs: own ?? delayUs })
      }
  }

  /** What payload from one node to another passes between their own links. */
  link(from: Placed, to: Placed): ReceivingLink | undefined {
    return this.#way(from, to)?.link
  }

  delayUs(from: Placed, to: Placed): number {
    return this.#way(from, to)?.delayUs ?? this.#delayUs
  }

  /** A small message: microseconds that it takes. */
  takeSmall(from: Placed, to: Placed, bytes: number): number {
    const way = this.#way(from, to)
    return way === undefined ? this.#delayUs : way.delayUs + (way.link?.takeSmall(bytes) ?? 0)
  }

  isOpen(first: Placed, second: Placed): boolean {
    return this.#cut.size === 0 || !this.#cut.has(nameOf(first.site, second.site))
  }

  cut(sites: readonly [string, string]): void {
    for (const name of namesOf(sites)) this.#cut.add(name)
  }

  heal(): void {
    this.#cut.clear()
  }

  #way(from: Placed, to: Placed): Way | undefined {
    return from.site === to.site ? undefined : this.#ways.get(nameOf(from.site, to.site))
  }
}

function nameOf(from: string | undefined, to: string | undefined): string {
  return `${from ?? ''}>${to ?? ''}`
}

/** Both directions. */
function namesOf([first, second]: readonly [string, string]): readonly string[] {
  return [nameOf(first, second), nameOf(second, first)]
}
