// Whole `push` and `seed` commands: everything they open is closed again, whatever happens.

import { SwarmError } from '../base/errors.ts'
import type { CodecChoice, DeviceChoice } from '../codec/codec.ts'
import { snapshotNameProblem } from '../snapshot/object-keys.ts'
import type { OpenedStore } from '../store/open-store.ts'
import type { NodeEvent, TransferReport } from './join-events.ts'
import { ZSTD_LEVEL_DEFAULT, ZSTD_LEVEL_MAX } from './limits.ts'
import type { Machine } from './machine.ts'
import type { PeeringOptions } from './peering.ts'
import { type PushResult, push } from './push.ts'
import { buildForSeed, type SeedInit, seed } from './seed.ts'
import { openSeedState } from './seed-state.ts'

export interface SourceCommand {
  readonly directory: string
  readonly statePath: string
  readonly name: string
  readonly machine: Machine
  readonly device: DeviceChoice
  readonly choice: CodecChoice
  /** Compress as far as zstd can. */
  readonly zstdLevelMax: boolean
  readonly chunkBytes: number
  readonly memoryBytes: number
  readonly peering: PeeringOptions
  readonly startedAtMs: number
  readonly emit: (event: NodeEvent) => void
  /** Told once peers can join. */
  readonly announce: (ticket: string) => void
  readonly log: (text: string) => void
  readonly signal: AbortSignal
}

export interface PushCommand extends SourceCommand {
  readonly storeUrl: string
  readonly concurrency: number
  /** Serve afterwards, until the signal that this returns is aborted; undefined: do not serve. */
  readonly seed: (() => AbortSignal) | undefined
}

export interface PushReport extends TransferReport {
  readonly sequence: number
  readonly unchanged: boolean
}

export async function pushDirectory(command: PushCommand): Promise<PushReport> {
  checkName(command.name)
  const { machine, name, signal, emit } = command
  const codec = machine.openCodec(command.device, (message) => command.emit({ type: 'warning', message }))
  const opened = await machine.openStore({ url: command.storeUrl })
  try {
    const result = await push({
      directory: command.directory,
      name,
      store: opened.store,
      codec,
      calls: machine.calls,
      choice: command.choice,
      zstdLevel: zstdLevel(command),
      chunkBytes: command.chunkBytes,
      concurrency: command.concurrency,
      signal,
      onProgress: ({ uploadedBytes, ...progress }) =>
        emit({
          type: 'progress',
          fromStore: 0,
          fromPeers: 0,
          fromSelf: 0,
          toPeers: 0,
          peers: 0,
          toStore: uploadedBytes,
          ...progress,
        }),
    })
    for (const message of result.warnings) emit({ type: 'warning', message })
    const report = pushReport(command, result, opened, codec.status)
    if (command.seed !== undefined) {
      emit({ type: 'ready', ...report })
      const { tree, snapshot, swarmKey } = result
      const target = { root: snapshot.root, swarmKey, name, addresses: [] }
      const encodedPath = `${command.statePath}/encoded`
      await serve(command, { tree, snapshot, target, store: opened, codec, encodedPath }, command.seed())
    }
    return report
  } finally {
    await opened.store.close()
    await codec.close()
  }
}

export interface SeedCommand extends SourceCommand {
  readonly storeUrl: string | undefined
  /** Called once serving: from then on an interrupt is the normal end. */
  readonly interruptsEndWell: () => AbortSignal
}

export async function seedDirectory(command: SeedCommand): Promise<TransferReport> {
  checkName(command.name)
  const { machine, directory, memoryBytes, chunkBytes, emit, signal } = command
  const state = await openSeedState(command.statePath)
  const codec = machine.openCodec(command.device, (message) => command.emit({ type: 'warning', message }))
  const encodedPath = `${command.statePath}/encoded`
  let opened: OpenedStore | undefined
  try {
    const options = { codec: command.choice, zstdLevel: zstdLevel(command) }
    const { calls } = machine
    const encoding = { options, chunkBytes, memoryBytes, encodedPath }
    const built = await buildForSeed({ directory, codec, calls, ...encoding, emit, signal })
    if (command.storeUrl !== undefined) opened = await machine.openStore({ url: command.storeUrl })
    const { root } = built.snapshot
    const target = { root, swarmKey: state.swarmKey(root), name: command.name, addresses: [] }
    const peering = { ...command.peering, privateKey: state.identity }
    return await serve(
      { ...command, peering },
      { ...built, target, store: opened, codec, encodedPath },
      command.interruptsEndWell(),
    )
  } finally {
    await opened?.store.close()
    await codec.close()
    await state.release()
  }
}

type Served = Pick<SeedInit, 'tree' | 'snapshot' | 'target' | 'store' | 'codec' | 'encodedPath'>

/** Serves until `stop` is aborted. */
async function serve(command: SourceCommand, served: Served, stop: AbortSignal): Promise<TransferReport> {
  const { peering, memoryBytes, startedAtMs, log } = command
  const emit = (event: NodeEvent): void => {
    command.emit(event)
    if (event.type === 'listening') command.announce(event.ticket)
  }
  const seeding = await seed({ ...served, peering, memoryBytes, startedAtMs, emit, log })
  // A node that only dials, while nobody is connected, has no socket that would keep the process.
  const alive = setInterval(() => undefined, 60_000)
  try {
    if (!stop.aborted)
      await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
    return seeding.report()
  } finally {
    clearInterval(alive)
    await seeding.close()
  }
}

function pushReport(
  command: PushCommand,
  result: PushResult,
  opened: OpenedStore,
  status: { device: string; path: string },
): PushReport {
  const { manifest } = result.snapshot
  return {
    command: 'push',
    snapshot: command.name,
    root: manifest.root,
    sequence: result.sequence,
    unchanged: result.unchanged,
    files: manifest.entries.fileCount,
    seconds: (performance.now() - command.startedAtMs) / 1000,
    bytes: {
      raw: manifest.rawBytes,
      encoded: manifest.encodedBytes,
      fromStore: 0,
      fromPeers: 0,
      fromSelf: result.reusedBytes,
      toPeers: 0,
      toStore: result.uploadedBytes,
      wasted: 0,
    },
    chunks: manifest.chunks.count,
    device: status.device,
    codecPath: status.path,
    peers: 0,
    bound: null,
    boundMissing: null,
    firstRequestAtMs: null,
    readyAtMs: Date.now(),
    store: opened.meter.read(),
  }
}

function zstdLevel(command: SourceCommand): number {
  return command.zstdLevelMax ? ZSTD_LEVEL_MAX : ZSTD_LEVEL_DEFAULT
}

function checkName(name: string): void {
  const problem = snapshotNameProblem(name)
  if (problem === undefined) return
  throw new SwarmError('usage', `snapshot name "${name}" ${problem}`, {
    blame: 'caller',
    cure: 'choose a name such as llama-70b or team/run-12',
  })
}
