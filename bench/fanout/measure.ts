// One run of one contender: time, bytes out of the origin, CPU time, and whether every host has the right bytes.

import assert from 'node:assert/strict'
import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { describeTree } from '../../test/support/trees.ts'
import type { Contender, Transfer } from './contender.ts'
import { cpuSecondsOf, cpuSecondsOfChildren, cpuSecondsOfMachine, untilQuiet } from './cpu-time.ts'
import type { LinkSampler } from './link-sampler.ts'
import { ORIGIN, type TestBed } from './test-bed.ts'

const GB = 1e9
const DEADLINE_FACTOR = 3
const DEADLINE_MIN_SECONDS = 60

export interface RunResult {
  readonly name: string
  readonly round: number
  /** Start of the processes to the last host complete. */
  readonly seconds: number
  readonly firstHostSeconds: number
  /** Share of the bound. */
  readonly timesBound: number
  /** Bytes out of the origin by its interface's counter, for each byte of the file. */
  readonly originCopies: number
  /** The same with the headers of every packet. */
  readonly originCopiesOnWire: number
  /** User and system time of all processes on the hosts, for each GB that arrived on a host. */
  readonly hostCpuSecondsPerGB: number
  readonly originCpuSecondsPerGB: number
  /** Share of all processors that neither the hosts nor the origin used: other work, this program, interrupts. */
  readonly otherCpuShare: number
  readonly loadBefore: number
  readonly details: Readonly<Record<string, unknown>>
}

export async function measure(
  bed: TestBed,
  contender: Contender,
  round: number,
  sampler: LinkSampler | undefined,
): Promise<RunResult> {
  await bed.emptyTargets()
  const label = `${contender.name}-${round}`
  if (bed.plan.waitQuietMs > 0) await untilQuiet(bed.plan.waitQuietMs)
  const loadBefore = loadavg()[0] ?? 0
  const service = await contender.serve()
  try {
    const sentBefore = await originBytes(bed)
    const originCpuBefore = cpuSecondsOf(service.pids)
    const hostCpuBefore = cpuSecondsOfChildren()
    const machineCpuBefore = cpuSecondsOfMachine()
    sampler?.start(label)
    const startedAtMs = Date.now()
    const transfer = await contender.start(label)
    const { finishedAtMs, details } = await completed(transfer, deadlineMs(bed, contender))
    sampler?.stop()
    const hostCpu = cpuSecondsOfChildren() - hostCpuBefore
    const originCpu = cpuSecondsOf(service.pids) - originCpuBefore
    const otherCpu = cpuSecondsOfMachine() - machineCpuBefore - hostCpu - originCpu
    const wholeSeconds = (Date.now() - startedAtMs) / 1000
    const sent = await originBytes(bed)
    await checkTrees(bed, contender)
    const { bytes, boundSeconds } = bed.plan
    const seconds = (Math.max(...finishedAtMs) - startedAtMs) / 1000
    const delivered = (contender.receivers.length * bytes) / GB
    return {
      name: contender.name,
      round,
      seconds,
      firstHostSeconds: (Math.min(...finishedAtMs) - startedAtMs) / 1000,
      timesBound: seconds / boundSeconds,
      originCopies: (sent.byInterface - sentBefore.byInterface) / bytes,
      originCopiesOnWire: (sent.onWire - sentBefore.onWire) / bytes,
      hostCpuSecondsPerGB: hostCpu / delivered,
      originCpuSecondsPerGB: originCpu / delivered,
      otherCpuShare: Math.max(0, otherCpu / wholeSeconds / availableParallelism()),
      loadBefore,
      details,
    }
  } finally {
    sampler?.stop()
    await service.stop()
  }
}

/** Waits for all hosts, ends what still runs on them, and fails when that takes too long. */
async function completed(transfer: Transfer, limitMs: number) {
  transfer.finished.catch(() => undefined)
  const stop = new AbortController()
  try {
    const late = wait(limitMs, undefined, { signal: stop.signal }).then(() => {
      throw new Error(`not complete after ${limitMs / 1000} s`)
    })
    const finishedAtMs = await Promise.race([transfer.finished, late])
    return { finishedAtMs, details: await transfer.end() }
  } catch (error) {
    // The first failure is the one to tell.
    await transfer.end().catch(() => undefined)
    throw error
  } finally {
    stop.abort()
  }
}

/** Several times what the slowest way of copying needs by the declared rates. */
function deadlineMs(bed: TestBed, contender: Contender): number {
  const { bytes, hosts, originBytesPerSec, isOriginShared, upBytesPerSec, downBytesPerSec, boundSeconds } = bed.plan
  const originShare = isOriginShared ? originBytesPerSec / hosts : originBytesPerSec
  const eachAlone = bytes / Math.min(originShare, downBytesPerSec)
  const inTurn = (bytes * contender.receivers.length) / Math.min(upBytesPerSec, downBytesPerSec)
  return (DEADLINE_MIN_SECONDS + DEADLINE_FACTOR * Math.max(eachAlone, inTurn, boundSeconds)) * 1000
}

async function originBytes(bed: TestBed): Promise<{ byInterface: number; onWire: number }> {
  const { network } = bed
  return { byInterface: await network.interfaceSentBytes(ORIGIN), onWire: await network.sentBytes(ORIGIN) }
}

let sourceTree: Promise<Record<string, string>> | undefined

async function checkTrees(bed: TestBed, contender: Contender): Promise<void> {
  sourceTree ??= describeTree(bed.source)
  const expected = comparable(await sourceTree, contender.keepsTimes)
  for (const host of contender.receivers) {
    assert.deepEqual(comparable(await describeTree(bed.target(host)), contender.keepsTimes), expected)
  }
}

function comparable(tree: Readonly<Record<string, string>>, keepsTimes: boolean): Readonly<Record<string, string>> {
  if (keepsTimes) return tree
  const without = (facts: string): string => facts.replace(/mode \S+ time \S+ /, '')
  return Object.fromEntries(Object.entries(tree).map(([path, facts]) => [path, without(facts)]))
}
