// One process of the benchmark: it serves or fetches as it is told, and says what that took.

import type { Order, Report } from './orders.ts'
import { type Fetcher, fetchFromStock, serveStock } from './stock-ends.ts'
import { fetchFromSwarm, serveSwarm } from './swarm-ends.ts'

let began: { readonly atMs: number; readonly cpu: NodeJS.CpuUsage } | undefined

function begin(): void {
  began ??= { atMs: performance.now(), cpu: process.cpuUsage() }
}

function report(address: string): Report {
  const { user, system } = process.cpuUsage(began?.cpu)
  return {
    address,
    seconds: began === undefined ? 0 : (performance.now() - began.atMs) / 1000,
    cpuSeconds: (user + system) / 1e6,
    // KiB on Linux.
    rssMiB: process.resourceUsage().maxRSS / 1024,
  }
}

async function follow(order: Order): Promise<Report> {
  switch (order.type) {
    case 'serve':
      return report(await (order.variant === 'swarm' ? serveSwarm(begin) : serveStock(begin)))
    case 'fetch': {
      const dial: (address: string) => Promise<Fetcher> = order.variant === 'swarm' ? fetchFromSwarm : fetchFromStock
      const fetch = await dial(order.address)
      begin()
      await fetch(order.bytes, order.verify)
      return report('')
    }
    case 'usage':
      return report('')
  }
}

process.on('message', (order: Order) => {
  void follow(order).then((done) => process.send?.(done))
})
process.on('disconnect', () => process.exit())
