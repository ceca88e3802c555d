// `swarm bench store|disk|peer`: what the bucket, the disk and the link to another machine give, as a join would use them.

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { benchDisk, DISK_PIECE_BYTES, type DiskRow } from '../node/bench-disk.ts'
import { fetchBench, serveBench } from '../node/bench-peer.ts'
import { benchStore, bestRow, type StoreRow } from '../node/bench-store.ts'
import { makeContext, requireStore } from './context.ts'
import { examples, LISTEN_DEFAULT, option } from './network-options.ts'
import { readTicketArgument } from './ticket-argument.ts'
import { collect, countParser, parseMeasureMs, sizeParser } from './values.ts'

const STEP_MS_DEFAULT = 3000
const PEER_MS_DEFAULT = 10_000
const DISK_BYTES_DEFAULT = 2 ** 30
const DISK_BYTES_MAX = 2 ** 40
const DISK_FILES_DEFAULT = 10_000
const DISK_FILES_MAX = 1_000_000

export function addBenchStore(bench: Command): void {
  const command = bench
    .command('store')
    .description('Reads chunks of the store over more and more connections; writes nothing.')
    .addOption(
      option('--each <duration>', 'how long each number of connections is measured')
        .argParser(parseMeasureMs)
        .default(STEP_MS_DEFAULT, '3s'),
    )
    .addHelpText('after', examples('swarm --store r2://bucket bench store'))
  command.action(async ({ each }: { each: number }) => {
    const context = makeContext(command)
    const { output, machine, signal } = context
    const { store } = await machine.openStore({ url: requireStore(context) })
    try {
      if (store.hasEgressCost) output.note(`reads ${store.url} as fast as it can; what it sends may be charged for`)
      const rows = await benchStore({
        store,
        stepMs: each,
        signal,
        found(row) {
          output.line({ type: 'row', ...row })
          output.print(describeStoreRow(row))
        },
      })
      const best = bestRow(rows)
      if (best !== undefined && best !== rows.at(-1))
        output.print(`${best.MBps.toFixed(0)} MB/s need ${connectionsOf(best)}; more gain nothing`)
      output.line({ type: 'summary', command: 'bench store', store: store.url, rows: rows.length, best: best ?? null })
    } finally {
      await store.close()
    }
  })
}

export function addBenchDisk(bench: Command): void {
  const command = bench
    .command('disk')
    .description('Writes as a join does and as node:fs does, until all of it is on the disk; removes it again.')
    .argument('[dir]', 'where to write', '.')
    .addOption(
      option('--bytes <size>', 'of the large file, in whole pieces of 8 MiB')
        .argParser(sizeParser(DISK_PIECE_BYTES, DISK_BYTES_MAX))
        .default(DISK_BYTES_DEFAULT, '1GiB'),
    )
    .addOption(
      option('--files <n>', 'small files, of 2 KiB each')
        .argParser(countParser(1, DISK_FILES_MAX))
        .default(DISK_FILES_DEFAULT),
    )
    .addHelpText('after', examples('swarm bench disk /data'))
  command.action(async (dir: string, flags: { bytes: number; files: number }) => {
    const { output, machine, signal } = makeContext(command)
    const directory = resolve(dir)
    const bytes = Math.floor(flags.bytes / DISK_PIECE_BYTES) * DISK_PIECE_BYTES
    let rows = 0
    await benchDisk({
      calls: machine.calls,
      ...{ directory, bytes, count: flags.files, signal },
      found(row) {
        rows++
        output.line({ type: 'row', ...row })
        output.print(describeDiskRow(row))
      },
    })
    output.line({ type: 'summary', command: 'bench disk', directory, rows })
  })
}

export function addBenchPeer(bench: Command): void {
  const command = bench
    .command('peer')
    .description(
      'Without an argument: serves bytes, and prints what to run on another machine. There: measures the link.',
    )
    .argument('[ticket]', 'what swarm bench peer printed on the other machine; - reads SWARM_TICKET or stdin')
    .addOption(option('--listen <multiaddr>', `where to listen (default ${LISTEN_DEFAULT})`).argParser(collect))
    .addOption(option('--announce <multiaddr>', 'an address at which others reach this machine').argParser(collect))
    .addOption(
      option('--for <duration>', 'how long to measure').argParser(parseMeasureMs).default(PEER_MS_DEFAULT, '10s'),
    )
    .addHelpText('after', examples('swarm bench peer', 'swarm bench peer swarm1...'))
  command.action(async (ticket: string | undefined, flags: { listen?: string[]; announce?: string[]; for: number }) => {
    const context = makeContext(command)
    const { output, signal } = context
    const log = (text: string): void => output.log(text)
    if (ticket === undefined) {
      const server = await serveBench({
        listen: flags.listen ?? [LISTEN_DEFAULT],
        listenIsDefault: flags.listen === undefined,
        announce: flags.announce ?? [],
        log,
      })
      const ending = context.interruptsEndWell()
      output.line({ type: 'listening', addrs: server.addresses, ticket: server.ticket })
      output.note('on the other machine (interrupt here to end):')
      output.print(`swarm bench peer ${server.ticket}`)
      await new Promise<void>((done) => {
        if (ending.aborted) done()
        ending.addEventListener('abort', () => done(), { once: true })
      })
      await server.close()
      output.line({ type: 'summary', command: 'bench peer', served: true })
      return
    }
    const row = await fetchBench({ ticket: await readTicketArgument(ticket), measureMs: flags.for, log, signal })
    output.line({ type: 'row', ...row })
    output.print(
      `${row.MBps.toFixed(0)} MB/s for ${row.seconds.toFixed(1)} s, first byte after ${row.firstByteMs.toFixed(1)} ms, ` +
        `${row.cpuSecondsPerGB.toFixed(2)} CPU-s/GB here`,
    )
    output.line({ type: 'summary', command: 'bench peer', served: false, ...row })
  })
}

function describeStoreRow(row: StoreRow): string {
  const first = row.firstByteMs === null ? 'no first byte' : `first byte after ${row.firstByteMs.toFixed(0)} ms`
  return `${connectionsOf(row).padStart(14)}  ${row.MBps.toFixed(1).padStart(8)} MB/s  ${first}`
}

function connectionsOf({ connections }: StoreRow): string {
  return `${connections} connection${connections === 1 ? '' : 's'}`
}

function describeDiskRow({ files, writer, MBps, filesPerSecond, seconds }: DiskRow): string {
  const what = files === 'large' ? 'one large file' : 'small files'
  const rate = files === 'large' ? `${MBps.toFixed(0)} MB/s` : `${filesPerSecond.toFixed(0)} files/s`
  return `${what.padEnd(14)}  ${writer.padEnd(7)}  ${rate.padStart(13)}  ${seconds.toFixed(1)} s`
}
