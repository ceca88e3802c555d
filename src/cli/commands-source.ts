// push and seed: the commands that give a snapshot.

import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, UPLOADS_DEFAULT, UPLOADS_MAX } from '../node/limits.ts'
import { pushDirectory, seedDirectory } from '../node/source-commands.ts'
import { type Context, makeContext, requireStore } from './context.ts'
import { addNetworkOptions, examples, type NetworkFlags, option, peeringOptions } from './network-options.ts'
import { makeEmit } from './node-events.ts'
import { showResult } from './results.ts'
import { countParser, sizeParser } from './values.ts'

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

export function addSourceCommands(program: Command): void {
  addPush(program)
  addSeed(program)
}

function addPush(program: Command): void {
  const command = program
    .command('push')
    .summary('chunk, encode, upload and publish a directory')
    .description('Puts a snapshot of <dir> into the store and gives it a name. Uploads only what the store lacks.')
    .argument('<dir>', 'directory to copy')
    .argument('<snapshot>', 'name, for example team/llama-70b')
    .addOption(option('--seed', 'keep serving the directory to peers afterwards'))
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
    .addOption(option('--max', 'compress text and code as far as zstd can (level 19)'))
    .addOption(
      option('--chunk-size <size>', 'raw bytes of a chunk')
        .argParser(sizeParser(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX))
        .default(CHUNK_BYTES_DEFAULT, '8MiB'),
    )
    .addOption(option('--state <dir>', 'where to keep the state; default: .swarm in the directory'))
}

function nameFromPath(path: string): string {
  return basename(resolve(path)).replaceAll(/[^A-Za-z0-9._-]/g, '-') || 'workspace'
}
