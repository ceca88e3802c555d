// list, inspect, ticket, verify: the commands that look and change nothing.

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { type LookedUp, listSnapshots, lookUp, ticketFromStore } from '../node/look-up.ts'
import { verifyTree } from '../node/verify.ts'
import { repair } from './command-join.ts'
import { type Context, makeContext, requireStore } from './context.ts'
import { option } from './network-options.ts'
import { ProgressView } from './progress.ts'
import { readTicketArgument } from './ticket-argument.ts'
import { collect, formatBytes } from './values.ts'

const DIFFERENCES_SHOWN_MAX = 50

export function addLookCommands(program: Command): void {
  addList(program)
  addInspect(program)
  addTicket(program)
  addVerify(program)
}

function addList(program: Command): void {
  const command = program.command('list').description('Lists the snapshots in the store: name, version, size, root.')
  command.action(async () => {
    const context = makeContext(command)
    const { output, machine, signal } = context
    const url = requireStore(context)
    const listed = await listSnapshots(machine, url, signal)
    for (const snapshot of listed) {
      output.line({ type: 'snapshot', ...snapshot })
      const sizes = `${formatBytes(snapshot.rawBytes)} (${formatBytes(snapshot.encodedBytes)} encoded)`
      output.print(
        `${snapshot.name}  version ${snapshot.sequence}  ${snapshot.files} files  ${sizes}  ${snapshot.createdAt}  ${snapshot.root}`,
      )
    }
    if (listed.length === 0) output.note(`no snapshots in ${url}; swarm push <dir> <snapshot> makes one`)
    output.line({ type: 'summary', command: 'list', store: url, snapshots: listed.length })
  })
}

function addInspect(program: Command): void {
  const command = program
    .command('inspect')
    .description('Shows what a snapshot holds.')
    .argument('<snapshot>', 'a name, name@root, or a ticket')
    .addOption(option('--peer <multiaddr>', 'a node to ask (repeatable)').argParser(collect))
    .addOption(option('--files', 'list every entry'))
  command.action(async (snapshot: string, flags: { peer?: string[]; files?: boolean }) => {
    const context = makeContext(command)
    const { output } = context
    const { target, manifest } = await look(context, snapshot, flags.peer)
    const { entries, chunks, rawBytes, encodedBytes, root } = manifest
    if (flags.files === true) {
      for (let index = 0; index < entries.count; index++) {
        const { path, type, mode, size } = entries.get(index)
        output.line({ type: 'entry', path: path.toString('utf8'), entry: type, mode, size })
        output.print(
          `${type.padEnd(9)} ${mode.toString(8).padStart(4, '0')} ${String(size).padStart(13)} ${JSON.stringify(path.toString('utf8')).slice(1, -1)}`,
        )
      }
    }
    const byCodec = countCodecs(manifest)
    const ratio = encodedBytes > 0 ? rawBytes / encodedBytes : 1
    output.line({
      type: 'summary',
      command: 'inspect',
      snapshot: target.name,
      root,
      files: entries.fileCount,
      entries: entries.count,
      chunks: chunks.count,
      bytes: { raw: rawBytes, encoded: encodedBytes },
      ratio,
      codecs: byCodec,
    })
    output.print(`${target.name === '' ? '' : `${target.name}@`}${root}`)
    output.print(`${entries.fileCount} files in ${entries.count} entries, ${formatBytes(rawBytes)}`)
    const codecs = Object.entries(byCodec).map(([codec, count]) => `${count} ${codec}`)
    output.print(
      `${chunks.count} chunks (${codecs.join(', ') || 'none'}), ${formatBytes(encodedBytes)} encoded, ratio ${ratio.toFixed(2)}`,
    )
  })
}

function addTicket(program: Command): void {
  const command = program
    .command('ticket')
    .description('Prints a ticket for a snapshot in the store. Whoever has it can join; it holds no store credentials.')
    .argument('<snapshot>', 'a name or name@root')
  command.action(async (snapshot: string) => {
    const context = makeContext(command)
    const { output, machine, signal } = context
    const { ticket, target } = await ticketFromStore(snapshot, requireStore(context), machine, signal)
    output.print(ticket)
    output.line({ type: 'summary', command: 'ticket', snapshot: target.name, root: target.root, ticket })
  })
}

function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .description('Compares a directory with a snapshot: names, types, modes, times, links, and every byte.')
    .argument('<snapshot>', 'a name, name@root, or a ticket')
    .argument('<dir>', 'the directory')
    .addOption(option('--peer <multiaddr>', 'a node to ask (repeatable)').argParser(collect))
    .addOption(option('--repair', 'fetch what is missing or wrong'))
  command.action(async (snapshot: string, directory: string, flags: { peer?: string[]; repair?: boolean }) => {
    const context = makeContext(command)
    if (flags.repair === true) {
      await repair(context, await readTicketArgument(snapshot), directory, flags.peer ?? [])
      return
    }
    const { output, machine, signal } = context
    const { target, manifest } = await look(context, snapshot, flags.peer)
    const codec = machine.openCodec('cpu')
    const view = new ProgressView(output)
    const none = { fromStore: 0, fromPeers: 0, fromSelf: 0, toPeers: 0, toStore: 0, peers: 0 }
    const differences = await verifyTree({
      manifest,
      directory: resolve(directory),
      codec,
      onProgress: (rawBytesDone) =>
        view.show({ type: 'progress', stage: 'scanning', rawBytesDone, rawBytesTotal: manifest.rawBytes, ...none }),
      signal,
    })
    await codec.close()
    for (const { path, problem } of differences.slice(0, DIFFERENCES_SHOWN_MAX)) {
      output.line({ type: 'difference', path, problem })
      output.print(`${problem}: ${path}`)
    }
    if (differences.length > 0) throw differs(directory, differences.length)
    output.line({
      type: 'summary',
      command: 'verify',
      snapshot: target.name,
      root: manifest.root,
      files: manifest.entries.fileCount,
      differences: 0,
    })
    output.print(
      `${directory} is ${target.name === '' ? 'the snapshot' : target.name}@${manifest.root}: ${manifest.entries.fileCount} files, every byte checked`,
    )
  })
}

function differs(directory: string, count: number): SwarmError {
  return new SwarmError('integrity', `${directory} differs from the snapshot in ${count} entries`, {
    blame: 'local',
    cure: 'run the same command with --repair, which fetches only what is wrong',
    details: { differences: count },
  })
}

function countCodecs(manifest: LookedUp['manifest']): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let chunk = 0; chunk < manifest.chunks.count; chunk++) {
    const { codec } = manifest.chunks.get(chunk)
    counts[codec] = (counts[codec] ?? 0) + 1
  }
  return counts
}

async function look(context: Context, snapshot: string, peers: readonly string[] | undefined): Promise<LookedUp> {
  const { output, machine, storeUrl, signal } = context
  return lookUp({
    snapshot: await readTicketArgument(snapshot),
    storeUrl,
    machine,
    peers: peers ?? [],
    emit: (event) => {
      if (event.type === 'warning') output.warn(event.message)
    },
    log: (text) => output.log(text),
    signal,
  })
}
