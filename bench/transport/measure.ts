// One run of one contender: how fast the file came, and what that took of the processors on either side.

import { execFileSync } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { cpuSecondsOf, cpuSecondsOfChildren, cpuSecondsOfMachine } from '../fanout/cpu-time.ts'
import { touchMemory } from '../memory.ts'
import type { Contender, Place } from './contender.ts'

export interface Measured {
  readonly type: 'transport'
  readonly contender: string
  readonly round: number
  /** From the start of the receiver's process to the last byte in its file. */
  readonly MBps: number
  /** From the start of the receiver to the end of its transfer, of the sender and all that it started. */
  readonly senderCpuPerGB: number
  /** Of the whole life of the receiver and all that it started. */
  readonly receiverCpuPerGB: number
  /** Of all processors, used by neither meanwhile. */
  readonly othersShare: number
}

export async function measure(contender: Contender, place: Place, round: number, bytes: number): Promise<Measured> {
  await mkdir(place.targetFolder)
  const sender = await contender.serve()
  try {
    await touchMemory(bytes)
    const before = {
      sender: cpuSecondsOf([sender.pid]),
      children: cpuSecondsOfChildren(),
      machine: cpuSecondsOfMachine(),
      own: cpuSecondsOf([process.pid]) - cpuSecondsOfChildren(),
      atMs: performance.now(),
    }
    const receiver = contender.fetch()
    await receiver.complete.catch(async (error: unknown) => {
      await receiver.end().catch(() => undefined)
      throw error
    })
    const completeAtMs = performance.now()
    await receiver.end()
    await sender.settled()
    const endAtMs = performance.now()
    const senderCpu = cpuSecondsOf([sender.pid]) - before.sender
    const receiverCpu = cpuSecondsOfChildren() - before.children
    const own = cpuSecondsOf([process.pid]) - cpuSecondsOfChildren() - before.own
    const others = cpuSecondsOfMachine() - before.machine - senderCpu - receiverCpu - own
    const names = [place.sourceFolder, place.targetFolder].map((folder) => `${folder}/${place.fileName}`)
    execFileSync('cmp', names, { stdio: 'inherit' })
    const gigabytes = bytes / 1e9
    return {
      type: 'transport',
      contender: contender.name,
      round,
      MBps: bytes / 1e3 / (completeAtMs - before.atMs),
      senderCpuPerGB: senderCpu / gigabytes,
      receiverCpuPerGB: receiverCpu / gigabytes,
      othersShare: Math.max(0, (others * 1000) / (endAtMs - before.atMs) / availableParallelism()),
    }
  } finally {
    await sender.end()
    await rm(place.targetFolder, { recursive: true, force: true })
  }
}
