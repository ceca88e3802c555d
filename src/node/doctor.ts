// What this machine lacks to take part, one finding at a time. Looks, measures little, and cleans up what it writes.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { availableParallelism, freemem, release, totalmem } from 'node:os'
import { promisify } from 'node:util'
import { describeError, isSwarmError } from '../base/errors.ts'
import { codecThreadCount } from '../codec/cpu-quota.ts'
import { createExchange } from '../exchange/exchange.ts'
import type { Environment, PlacedAddresses } from '../exchange/place-addresses.ts'
import { SWARM_KEY_BYTES } from '../snapshot/limits.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { describePlace, findPlace, outboundOnlyMessage } from './find-place.ts'
import { MEMORY_BYTES_DEFAULT, RECORD_BYTES_MAX } from './limits.ts'
import type { Machine } from './machine.ts'

export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped'
  readonly detail: string
  /** What to do about it; empty when nothing is to be done. */
  readonly cure: string
}

export interface DoctorInit {
  readonly machine: Machine
  readonly storeUrl: string | undefined
  readonly listen: readonly string[]
  readonly listenIsDefault: boolean
  /** This process's, which tells the place of the machine. */
  readonly environment: Environment
  readonly directory: string
  readonly signal: AbortSignal
  /** Called as each finding is made. */
  readonly found: (finding: Finding) => void
}

const CLOCK_SKEW_MS_MAX = 60_000
const OPEN_FILES_WANTED = 1024
const FREE_BYTES_WANTED = 1_000_000_000

export async function examine(init: DoctorInit): Promise<void> {
  const { found } = init
  found(ok('program', `Node ${process.versions.node} on ${process.platform} ${process.arch}, kernel ${release()}`))
  found(checkProcessors())
  found(checkMemory())
  found(await checkOpenFiles())
  found(await checkDisk(init.directory))
  found(await checkCodec(init.machine))
  found(await checkGpu(init.machine))
  const placed = await findPlace(init.environment, { ...init, announce: [], site: '' })
  found(checkPlace(placed))
  found(await checkPort(placed, init.signal))
  if (init.storeUrl === undefined) {
    found(skipped('store', 'no store is given', 'give --store URL to check clock and permissions'))
    return
  }
  await checkStore(init, init.storeUrl)
}

function checkProcessors(): Finding {
  const threads = codecThreadCount()
  const visible = availableParallelism()
  const limited = threads < visible ? `, fewer than the ${visible} visible: a quota or process limit is in force` : ''
  return ok('processors', `${threads} codec threads${limited}`)
}

function checkMemory(): Finding {
  const detail = `${mib(freemem())} free of ${mib(totalmem())}`
  if (freemem() > 2 * MEMORY_BYTES_DEFAULT) return ok('memory', detail)
  return warning('memory', detail, 'use a smaller --memory, such as --memory 256MiB')
}

async function checkOpenFiles(): Promise<Finding> {
  try {
    const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n'])
    const limit = stdout.trim()
    if (limit === 'unlimited' || Number(limit) >= OPEN_FILES_WANTED) return ok('open files', limit)
    return warning('open files', limit, `raise the limit: ulimit -n ${OPEN_FILES_WANTED}`)
  } catch (error) {
    return warning('open files', `cannot be asked: ${describeError(error)}`, '')
  }
}

async function checkDisk(directory: string): Promise<Finding> {
  try {
    const { bavail, bsize, ffree } = await statfs(directory)
    const free = bavail * bsize
    const detail = `${mib(free)} and ${ffree} inodes free in ${directory}`
    return free > FREE_BYTES_WANTED ? ok('disk', detail) : warning('disk', detail, 'a join needs the snapshot’s size')
  } catch (error) {
    return failed(
      'disk',
      `${directory}: ${describeError(error)}`,
      'run this in the directory that a join will write to',
    )
  }
}

/** Without a GPU everything works; the finding says who does the work. */
async function checkGpu(machine: Machine): Promise<Finding> {
  try {
    const { names, reason } = machine.findGpus()
    if (names.length === 0) return ok('gpu', `none is used: ${reason}; the processor decodes`)
    const problems: string[] = []
    const codec = machine.openCodec('cuda', (text) => problems.push(text))
    await codec.selfTest()
    await codec.close()
    if (problems.length === 0) return ok('gpu', `self-test passed on ${names.join(', ')}`)
    return warning(
      'gpu',
      `${names.join(', ')}: ${problems.join('; ')}`,
      'look at nvidia-smi; --device cpu goes without',
    )
  } catch (error) {
    return fromError('gpu', error)
  }
}

async function checkCodec(machine: Machine): Promise<Finding> {
  try {
    const codec = machine.openCodec('cpu')
    await codec.selfTest()
    const { device, path, threads } = codec.status
    await codec.close()
    return ok('codec', `self-test passed on ${device} (${path}, ${threads} threads)`)
  } catch (error) {
    return fromError('codec', error)
  }
}

function checkPlace(placed: PlacedAddresses): Finding {
  const outboundOnly = outboundOnlyMessage(placed)
  const problems = [...(outboundOnly === undefined ? [] : [outboundOnly]), ...placed.warnings]
  const detail = [describePlace(placed), ...problems].join('; ')
  if (problems.length === 0) return ok('place', detail)
  return warning(
    'place',
    detail,
    placed.cure === '' ? 'correct the variables, or give --listen and --announce' : placed.cure,
  )
}

/** Listens as a join would and dials itself through every address that it would announce. */
async function checkPort(placed: PlacedAddresses, signal: AbortSignal): Promise<Finding> {
  const swarmKey = randomBytes(SWARM_KEY_BYTES)
  const silent = {
    peerUp: () => undefined,
    peerDown: () => undefined,
    message: () => undefined,
    asked: () => undefined,
    askCancelled: () => undefined,
    peersHeard: () => undefined,
  }
  const common = { swarmKey, announce: [], handlers: silent, log: () => undefined }
  const { listen, mayMovePort } = placed
  try {
    const server = await createExchange({ ...common, listen, listenIsDefault: mayMovePort, place: placed })
    const client = await createExchange({ ...common, listen: [], listenIsDefault: false })
    try {
      const reached: string[] = []
      const addresses = server.addresses()
      for (const address of addresses) {
        const outcome = await client.dial(address, signal)
        if (outcome.status !== 'connected') continue
        reached.push(address.replace(/\/p2p\/.*/, ''))
        client.disconnect(server.peerId)
      }
      if (reached.length === 0)
        return failed('port', `none of ${addresses.length} addresses answers`, 'check the firewall, or give --listen')
      const outside = 'from this machine; whether others get through shows in a join (reachable) or with nc -vz'
      return ok('port', `reached at ${reached.join(', ')} ${outside}`)
    } finally {
      await client.stop()
      await server.stop()
    }
  } catch (error) {
    return fromError('port', error)
  }
}

async function checkStore(init: DoctorInit, url: string): Promise<void> {
  const { found, signal } = init
  let store: ObjectStore
  try {
    store = (await init.machine.openStore({ url })).store
  } catch (error) {
    found(fromError('store', error))
    return
  }
  try {
    await store.list('snapshots/', undefined, { signal })
    found(ok('store list', `${url} can be listed`))
  } catch (error) {
    found(fromError('store list', error))
    await store.close()
    return
  }
  found(checkClock(store))
  found(await checkWriting(store, signal))
  await store.close()
}

function checkClock(store: ObjectStore): Finding {
  const skewMs = store.clockSkewMs()
  if (skewMs === undefined) return skipped('clock', 'this kind of store has no clock of its own', '')
  const detail = `${Math.round(Math.abs(skewMs) / 1000)} s ${skewMs > 0 ? 'behind' : 'ahead of'} the store’s`
  if (Math.abs(skewMs) <= CLOCK_SKEW_MS_MAX) return ok('clock', detail)
  return failed('clock', detail, 'set the clock (timedatectl set-ntp true): signatures and TLS fail when it is wrong')
}

/** Creates, reads, creates again (must be refused) and deletes one small object. */
async function checkWriting(store: ObjectStore, signal: AbortSignal): Promise<Finding> {
  const key = `doctor/${randomBytes(8).toString('hex')}`
  const body = randomBytes(64)
  try {
    await store.putIfAbsent(key, body, { signal })
  } catch (error) {
    if (!isSwarmError(error) || error.code !== 'credentialsRefused') return fromError('store write', error)
    return warning(
      'store write',
      'these credentials may only read',
      'enough for join; push needs to write, and a join that may write is found by others sooner',
    )
  }
  try {
    const same = (await store.get(key, RECORD_BYTES_MAX, { signal })).equals(body)
    const second = await store.putIfAbsent(key, body, { signal })
    await store.delete(key, { signal })
    if (!same) return failed('store write', 'what was written reads back differently', 'do not use this store')
    if (second === 'exists') return ok('store write', 'create, read, create-only and delete work')
    return failed(
      'store write',
      'create-only writes overwrite',
      'this server ignores If-None-Match: two pushes of one name could lose one',
    )
  } catch (error) {
    return fromError('store write', error)
  }
}

function mib(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`
}

function ok(check: string, detail: string): Finding {
  return { check, status: 'ok', detail, cure: '' }
}

function warning(check: string, detail: string, cure: string): Finding {
  return { check, status: 'warning', detail, cure }
}

function failed(check: string, detail: string, cure: string): Finding {
  return { check, status: 'failed', detail, cure }
}

function skipped(check: string, detail: string, cure: string): Finding {
  return { check, status: 'skipped', detail, cure }
}

function fromError(check: string, error: unknown): Finding {
  return failed(check, describeError(error), isSwarmError(error) ? error.cure : '')
}
