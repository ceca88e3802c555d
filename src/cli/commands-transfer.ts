// push, seed, join: the commands that move a snapshot.

import { basename, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { joinDirectory } from '../node/join-directory.ts'
import type { NodeEvent } from '../node/join-events.ts'
import { resolveTarget } from '../node/join-target.ts'
import {
  CHUNK_BYTES_DEFAULT,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  MEMORY_BYTES_DEFAULT,
  MEMORY_BYTES_MIN,
  UPLOADS_DEFAULT,
  UPLOADS_MAX,
} from '../node/limits.ts'
import type { LingerPolicy } from '../node/linger.ts'
import { openTrace } from '../node/machine.ts'
import type { PeeringOptions } from '../node/peering.ts'
import { pushDirectory, seedDirectory } from '../node/source-commands.ts'
import { type Context, makeContext, requireStore } from './context.ts'
import { showPlan } from './dry-run.ts'
import { ProgressView } from './progress.ts'
import { showResult } from './results.ts'
import {
  collect,
  countParser,
  defaultDirectory,
  formatSeconds,
  parseBytes,
  parseCopies,
  parseDurationMs,
  parseLinger,
  sizeParser,
} from './values.ts'

export const LISTEN_DEFAULT = '/ip4/0.0.0.0/tcp/4001'
const DEVICES = ['auto', 'cpu', 'cuda']

interface NetworkFlags {
  readonly peer?: string[]
  readonly listen?: string[]
  readonly announce?: string[]
  readonly memory: number
  readonly device: 'auto' | 'cpu' | 'cuda'
}

interface SourceFlags extends NetworkFlags {
  readonly codec: 'auto' | 'ans' | 'ans-fast' | 'zstd' | 'raw'
  readonly max?: boolean
  readonly chunkSize: number
  readonly state?: string
}

interface PushFlags extends SourceFlags {
  readonly seed?: boolean
  readonly concurrency: number
}

interface JoinFlags extends NetworkFlags {
  readonly origin: 'auto' | 'once' | 'never'
  readonly originCopies?: number | 'unlimited'
  readonly linger: LingerPolicy
  readonly onReady?: string
  readonly limitStore?: number
  readonly limitUp?: number
  readonly limitDown?: number
  readonly delete?: boolean
  readonly dryRun?: boolean
  readonly deadline?: number
  readonly wait: boolean
  readonly verify?: boolean
  readonly force?: boolean
  readonly trace?: string
  readonly first?: string[]
}

export function addTransferCommands(program: Command): void {
  addPush(program)
  addSeed(program)
  addJoin(program)
}

function addPush(program: Command): void {
  const command = program
    .command('push')
    .summary('chunk, encode, upload and publish a directory')
    .description('Puts a snapshot of <dir> into the store and gives it a name. Uploads only what the store lacks.')
    .argument('<dir>', 'directory to copy')
    .argument('<snapshot>', 'name, for example team/llama-70b')
    .option('--seed', 'keep serving the directory to peers afterwards')
    .addOption(
      option('--concurrency <n>', 'uploads at the same time')
        .argParser(countParser(1, UPLOADS_MAX))
        .default(UPLOADS_DEFAULT),
    )
  addSourceOptions(command)
  command.addHelpText(
    'after',
    examples('swarm push ./workspace team/llama-70b --store s3://models/swarm', 'swarm push . nightly --seed'),
  )
  command.action(async (directory: string, name: string, flags: PushFlags) => {
    const context = makeContext(command)
    const source = sourceOptions(context, directory, flags)
    const stop = flags.seed === true ? () => context.interruptsEndWell() : undefined
    const { concurrency } = flags
    const report = await pushDirectory({ ...source, name, storeUrl: requireStore(context), concurrency, seed: stop })
    showResult(context.output, report)
  })
}

function addSeed(program: Command): void {
  const command = program
    .command('seed')
    .summary('serve a directory from this machine, no bucket needed')
    .description('Encodes <dir> once to learn its chunks, prints a ticket, and serves until interrupted.')
    .argument('<dir>', 'directory to serve')
    .argument('[snapshot]', 'what joiners call it; default: the name of the directory')
  addSourceOptions(command)
  command.addHelpText(
    'after',
    examples('swarm seed ./workspace', 'swarm seed /mnt/readonly models --state ~/.swarm-models'),
  )
  command.action(async (directory: string, name: string | undefined, flags: SourceFlags) => {
    const context = makeContext(command)
    const source = sourceOptions(context, directory, flags)
    const report = await seedDirectory({
      ...source,
      name: name ?? nameFromPath(directory),
      interruptsEndWell: () => context.interruptsEndWell(),
    })
    showResult(context.output, report)
  })
}

function addJoin(program: Command): void {
  const command = program
    .command('join')
    .summary('fetch, decode and restore a snapshot together with other machines')
    .description(
      'Restores <snapshot> into [dir], trading chunks with every other machine that joins. Resumes by itself.',
    )
    .argument('<snapshot>', 'a name, name@root, a ticket, - (a ticket on stdin) or @file (a ticket in a file)')
    .argument('[dir]', 'destination; default: the last part of the name')
  addNetworkOptions(command)
  command
    .addOption(
      option('--origin <mode>', 'when to read chunks from the store')
        .choices(['auto', 'once', 'never'])
        .default('auto'),
    )
    .addOption(
      option('--origin-copies <n>', 'copies that may leave the store: a number or unlimited').argParser(parseCopies),
    )
    .addOption(
      option('--linger <how>', 'serve after ready: auto, forever or a duration').argParser(parseLinger).default('auto'),
    )
    .addOption(option('--on-ready <cmd>', 'shell command to run when the tree is ready'))
    .addOption(option('--limit-store <rate>', 'bytes per second from the store, for example 23M').argParser(parseBytes))
    .addOption(option('--limit-down <rate>', 'bytes per second from peers').argParser(parseBytes))
    .addOption(option('--limit-up <rate>', 'bytes per second to peers').argParser(parseBytes))
    .addOption(option('--deadline <duration>', 'give up after this long, exit code 11').argParser(parseDurationMs))
    .addOption(
      option('--first <glob>', 'files to have before all others, as in .gitignore (repeatable)').argParser(collect),
    )
    .option('--delete', 'delete what the snapshot does not hold')
    .option('--dry-run', 'say what would be done and change nothing')
    .option('--verify', 'read and hash everything that is already here')
    .option('--force', 'start even when the free space looks too small')
    .option('--no-wait', 'fail at once when another process works on the directory')
    .addOption(option('--trace <file>', 'record every decision, for a bug report: swarm replay <file> reads it'))
    .addHelpText(
      'after',
      examples(
        'swarm join team/llama-70b --store s3://models/swarm',
        'SWARM_TICKET=swarm1... swarm join - /data/model',
        'swarm join team/llama-70b && python train.py',
        "swarm join team/llama-70b --first '*.json' --first tokenizer/",
      ),
    )
  command.action(async (snapshot: string, directory: string | undefined, flags: JoinFlags) => {
    const context = makeContext(command)
    if (flags.deadline !== undefined) context.setDeadline(flags.deadline)
    const named = await readTicketArgument(snapshot)
    if (flags.dryRun === true) await showPlan(context, named, directory, flags.peer ?? [])
    else await runJoin(context, named, directory, flags)
  })
}

/** Puts right what differs: a join that distrusts everything that is already there and does not serve afterwards. */
export async function repair(context: Context, snapshot: string, directory: string, peers: string[]): Promise<void> {
  const memory = MEMORY_BYTES_DEFAULT
  const flags: JoinFlags = { origin: 'auto', linger: 0, memory, device: 'auto', wait: true, verify: true, peer: peers }
  await runJoin(context, snapshot, directory, flags)
}

async function runJoin(
  context: Context,
  snapshot: string,
  directory: string | undefined,
  flags: JoinFlags,
): Promise<void> {
  const { machine, output, signal } = context
  const openStore = (location: Parameters<typeof machine.openStore>[0]) => machine.openStore(location, flags.limitStore)
  const warn = (text: string): void => output.warn(text)
  const codec = machine.openCodec(flags.device, warn)
  const { target, store } = await resolveTarget(snapshot, context.storeUrl, openStore, warn, signal)
  const trace = flags.trace === undefined ? undefined : openTrace(flags.trace, warn)
  try {
    const outcome = await joinDirectory({
      target,
      directory: resolve(directory ?? defaultDirectory(target.name, target.root)),
      store,
      codec,
      calls: machine.calls,
      peering: peeringOptions(flags),
      origin: {
        mode: flags.origin,
        copiesMax: flags.originCopies ?? (store?.store.hasEgressCost === false ? 'unlimited' : 2),
      },
      memoryBytes: flags.memory,
      limitUpBytesPerSec: flags.limitUp,
      limitDownBytesPerSec: flags.limitDown,
      first: flags.first ?? [],
      deleteExtra: flags.delete ?? false,
      rehash: flags.verify ?? false,
      force: flags.force ?? false,
      startedAtMs: context.startedAtMs,
      trace,
      emit: makeEmit(context),
      log: (text) => output.log(text),
      signal,
      noWait: !flags.wait,
      linger: flags.linger,
      onReady: flags.onReady,
      interruptsEndWell: () => context.interruptsEndWell(),
    })
    showResult(output, { ...outcome.report, shared: outcome.shared })
  } finally {
    await trace?.close()
    await store?.store.close()
    await codec.close()
  }
}

/** One view of a node's events, for whoever reads this command's output. */
export function makeEmit(context: Context): (event: NodeEvent) => void {
  const { output } = context
  const progress = new ProgressView(output)
  return (event) => {
    switch (event.type) {
      case 'progress':
        progress.show(event)
        return
      case 'warning':
        output.warn(event.message)
        return
      case 'listening':
        output.line({ ...event })
        output.log(`listening on ${event.addrs.join(', ') || 'nothing: dialling only'}`)
        return
      case 'first':
        output.line({ ...event })
        output.note(`${event.files} files of --first are in place after ${formatSeconds(event.seconds)}`)
        return
      case 'ready':
        output.line({ ...event })
        output.note(
          `ready after ${formatSeconds(event.seconds)}${event.peers > 0 ? '; serving peers while they need it' : ''}`,
        )
    }
  }
}

function sourceOptions(context: Context, directory: string, flags: SourceFlags) {
  const { output, machine, signal, startedAtMs, storeUrl } = context
  const path = resolve(directory)
  return {
    directory: path,
    statePath: flags.state === undefined ? `${path}/.swarm` : resolve(flags.state),
    machine,
    device: flags.device,
    choice: flags.codec,
    zstdLevelMax: flags.max ?? false,
    chunkBytes: flags.chunkSize,
    memoryBytes: flags.memory,
    peering: peeringOptions(flags),
    storeUrl,
    startedAtMs,
    emit: makeEmit(context),
    announce: (ticket: string) => showTicket(context, ticket),
    log: (text: string) => output.log(text),
    signal,
  }
}

function showTicket({ output }: Context, ticket: string): void {
  output.note('serving. On every other machine, with swarm installed:')
  output.print(`swarm join ${ticket}`)
  output.note('the ticket lets whoever has it read this snapshot; interrupt (Ctrl-C) to stop serving')
}

function peeringOptions(flags: NetworkFlags): PeeringOptions {
  return {
    peers: flags.peer ?? [],
    listen: flags.listen ?? [LISTEN_DEFAULT],
    listenIsDefault: flags.listen === undefined,
    announce: flags.announce ?? [],
  }
}

function addNetworkOptions(command: Command): void {
  command
    .addOption(option('--peer <multiaddr>', 'a node to dial (repeatable)').argParser(collect))
    .addOption(
      option(
        '--listen <multiaddr>',
        `where to listen (repeatable; default ${LISTEN_DEFAULT}, next free port if taken)`,
      ).argParser(collect),
    )
    .addOption(
      option('--announce <multiaddr>', 'an address at which others reach this node (repeatable)').argParser(collect),
    )
    .addOption(
      option('--memory <size>', 'chunk bytes held in memory')
        .argParser(sizeParser(MEMORY_BYTES_MIN, 2 ** 40))
        .default(MEMORY_BYTES_DEFAULT, '512MiB'),
    )
    .addOption(option('--device <device>', 'what decodes').choices(DEVICES).default('auto'))
}

function addSourceOptions(command: Command): void {
  addNetworkOptions(command)
  command
    .addOption(
      option(
        '--codec <codec>',
        'how chunks are encoded; ans-fast decodes weights faster with AVX-512, makes them less small, and leaves text and code nearly as they are',
      )
        .choices(['auto', 'ans', 'ans-fast', 'zstd', 'raw'])
        .default('auto'),
    )
    .option('--max', 'compress text and code as far as zstd can (level 19)')
    .addOption(
      option('--chunk-size <size>', 'raw bytes of a chunk')
        .argParser(sizeParser(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX))
        .default(CHUNK_BYTES_DEFAULT, '8MiB'),
    )
    .addOption(option('--state <dir>', 'where to keep the state; default: .swarm in the directory'))
}

/** An option that can also be set in the environment: --limit-store is SWARM_LIMIT_STORE. */
function option(flags: string, description: string): Option {
  const made = new Option(flags, description)
  return made.env(`SWARM_${made.name().replaceAll('-', '_').toUpperCase()}`)
}

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`
}

/** A ticket may come from stdin, a file or the environment, because arguments show in process lists. */
export async function readTicketArgument(snapshot: string): Promise<string> {
  if (snapshot === '-') {
    const fromEnvironment = process.env['SWARM_TICKET']
    if (fromEnvironment !== undefined && fromEnvironment !== '') return fromEnvironment.trim()
    return (await readAll(process.stdin)).trim()
  }
  if (!snapshot.startsWith('@')) return snapshot
  const { readFile } = await import('node:fs/promises')
  try {
    return (await readFile(snapshot.slice(1), 'utf8')).trim()
  } catch (cause) {
    throw new SwarmError('usage', `cannot read the ticket file ${snapshot.slice(1)}`, {
      blame: 'caller',
      cure: 'check the path after @',
      cause,
    })
  }
}

const TICKET_INPUT_MAX = 64 * 1024

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const piece of stream) {
    text += String(piece)
    if (text.length > TICKET_INPUT_MAX) break
  }
  return text
}

function nameFromPath(path: string): string {
  return basename(resolve(path)).replaceAll(/[^A-Za-z0-9._-]/g, '-') || 'workspace'
}
