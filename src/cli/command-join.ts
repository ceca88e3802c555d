// join: the command that restores a snapshot, and what it shares with verify --repair.

import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { joinDirectory } from '../node/join-directory.ts'
import { resolveTarget } from '../node/join-target.ts'
import { MEMORY_BYTES_DEFAULT } from '../node/limits.ts'
import type { LingerPolicy } from '../node/linger.ts'
import { openTrace } from '../node/machine.ts'
import { patienceFor } from '../node/patience.ts'
import { type Context, makeContext } from './context.ts'
import { showPlan } from './dry-run.ts'
import { addNetworkOptions, examples, type NetworkFlags, option, peeringOptions } from './network-options.ts'
import { makeEmit } from './node-events.ts'
import { showResult } from './results.ts'
import { readTicketArgument } from './ticket-argument.ts'
import {
  collect,
  defaultDirectory,
  parseBytes,
  parseCopies,
  parseDurationMs,
  parseLinger,
  parseWaitMs,
} from './values.ts'

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
  readonly wait?: number
  readonly lockWait: boolean
  readonly verify?: boolean
  readonly force?: boolean
  readonly trace?: string
  readonly first?: string[]
}

/** `--no-wait` is about the lock of the directory: it does not undo `--wait`, whose attribute it would have. */
class LockOption extends Option {
  override attributeName(): string {
    return 'lockWait'
  }
}

export function addJoinCommand(program: Command): void {
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
    .addOption(option('--delete', 'delete what the snapshot does not hold'))
    .addOption(option('--dry-run', 'say what would be done and change nothing'))
    .addOption(option('--verify', 'read and hash everything that is already here'))
    .addOption(option('--force', 'start even when the free space looks too small'))
    .addOption(
      option('--wait <duration>', 'how long to wait for a snapshot or a source that is not there yet').argParser(
        parseWaitMs,
      ),
    )
    .addOption(new LockOption('--no-wait', 'fail at once when another process works on the directory').default(true))
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
  const flags: JoinFlags = {
    origin: 'auto',
    linger: 0,
    memory,
    device: 'auto',
    lockWait: true,
    verify: true,
    peer: peers,
  }
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
  const emit = makeEmit(context)
  const patience = patienceFor(flags.wait ?? 0, context.startedAtMs, emit)
  const { target, store } = await resolveTarget(snapshot, context.storeUrl, openStore, warn, signal, patience)
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
      limitStoreBytesPerSec: flags.limitStore,
      link: await machine.linkRate(),
      limitUpBytesPerSec: flags.limitUp,
      limitDownBytesPerSec: flags.limitDown,
      first: flags.first ?? [],
      deleteExtra: flags.delete ?? false,
      rehash: flags.verify ?? false,
      force: flags.force ?? false,
      startedAtMs: context.startedAtMs,
      trace,
      patience,
      emit,
      log: (text) => output.log(text),
      signal,
      noWait: !flags.lockWait,
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
