// How fast this machine's link is, as its network interface states it. Stated, not measured: it is what a run may be judged by.

import { readFile } from 'node:fs/promises'

/** A rate and who says so: an option, or an interface. */
export interface DeclaredRate {
  readonly bytesPerSec: number
  readonly by: string
}

const ROUTE_UP = 1
const INTERFACE_NAME = /^[\w.@-]{1,15}$/

/**
 * The interface of the IPv4 default route, the one of least metric, and its speed in each direction. Undefined without such a route,
 * or where the interface states no speed, as most virtual ones do. `root` is where /proc and /sys are. Never throws.
 */
export async function readLinkRate(root = ''): Promise<DeclaredRate | undefined> {
  const name = defaultInterface(await readText(`${root}/proc/net/route`))
  if (name === undefined) return undefined
  const megabitsPerSec = Number((await readText(`${root}/sys/class/net/${name}/speed`)).trim() || Number.NaN)
  if (!Number.isSafeInteger(megabitsPerSec) || megabitsPerSec <= 0) return undefined
  return { bytesPerSec: (megabitsPerSec * 1_000_000) / 8, by: `interface ${name}` }
}

function defaultInterface(table: string): string | undefined {
  let best: { readonly name: string; readonly metric: number } | undefined
  for (const line of table.split('\n').slice(1)) {
    const [name = '', destination, , flags, , , metric, mask] = line.trim().split(/\s+/)
    const isUp = (Number.parseInt(flags ?? '0', 16) & ROUTE_UP) !== 0
    if (destination !== '00000000' || mask !== '00000000' || !isUp || !INTERFACE_NAME.test(name)) continue
    if (best === undefined || Number(metric) < best.metric) best = { name, metric: Number(metric) }
  }
  return best?.name
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1')
  } catch {
    // Another platform, a container without /sys, or an interface that refuses to state its speed.
    return ''
  }
}
