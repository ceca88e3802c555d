// How many worker threads the codec may use: visible cores, cut by the control group's CPU quota and process limit.
// Containers often see every core of the host but may use a few; a pool of the visible size would only be throttled.

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const CGROUP_ROOT = '/sys/fs/cgroup'
/** Depth to which parents are asked; deeper hierarchies do not occur. */
const CGROUP_DEPTH_MAX = 32
/** Of the processes that the group may still start, the codec takes at most this part. */
const SPARE_PROCESS_DIVISOR = 4

/** The outside world, replaceable in tests. */
export interface CpuSources {
  /** Content of a small text file, or undefined when it cannot be read. */
  readonly readText: (path: string) => string | undefined
  readonly visibleCores: () => number
}

const SYSTEM: CpuSources = {
  readText: (path) => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  },
  visibleCores: availableParallelism,
}

/** Number of worker threads, at least 1: min(visible cores, quota rounded up, a quarter of the processes left). */
export function codecThreadCount(sources: CpuSources = SYSTEM): number {
  let threads = sources.visibleCores()
  for (const folder of groupFolders(sources, 'cpu')) {
    const quota = cpuQuota(sources, folder)
    if (quota !== undefined) threads = Math.min(threads, Math.ceil(quota))
  }
  for (const folder of groupFolders(sources, 'pids')) {
    const max = readNumber(sources, `${folder}/pids.max`)
    if (max === undefined) continue
    const current = readNumber(sources, `${folder}/pids.current`) ?? 0
    threads = Math.min(threads, Math.floor((max - current) / SPARE_PROCESS_DIVISOR))
  }
  return Math.max(1, threads)
}

/** This process's group for `controller` and its parents, in version 2 and version 1 of control groups. */
function groupFolders(sources: CpuSources, controller: string): string[] {
  const folders: string[] = []
  for (const line of (sources.readText('/proc/self/cgroup') ?? '').split('\n')) {
    // hierarchy:controllers:path, where version 2 has hierarchy 0 and no controllers.
    const [hierarchy, controllers, ...rest] = line.split(':')
    const path = rest.join(':')
    if (controllers === undefined || !path.startsWith('/')) continue
    if (hierarchy === '0' && controllers === '') folders.push(...withParents(CGROUP_ROOT, path))
    else if (controllers.split(',').includes(controller))
      for (const mount of new Set([controllers, controller]))
        folders.push(...withParents(`${CGROUP_ROOT}/${mount}`, path))
  }
  return folders
}

function withParents(mount: string, path: string): string[] {
  const names = path.split('/').filter((name) => name.length > 0)
  const depth = Math.min(names.length, CGROUP_DEPTH_MAX)
  return Array.from({ length: depth + 1 }, (_, kept) => [mount, ...names.slice(0, kept)].join('/'))
}

/** Cores that the group may use, as a fraction; undefined when it has no quota of its own. */
function cpuQuota(sources: CpuSources, folder: string): number | undefined {
  const unified = sources.readText(`${folder}/cpu.max`)?.trim().split(/\s+/)
  const quota = unified === undefined ? readNumber(sources, `${folder}/cpu.cfs_quota_us`) : parseCount(unified[0])
  const period = unified === undefined ? readNumber(sources, `${folder}/cpu.cfs_period_us`) : parseCount(unified[1])
  // Version 1 writes -1 and version 2 writes `max` where there is no quota.
  return quota === undefined || period === undefined || quota <= 0 || period <= 0 ? undefined : quota / period
}

function readNumber(sources: CpuSources, path: string): number | undefined {
  return parseCount(sources.readText(path)?.trim())
}

function parseCount(text: string | undefined): number | undefined {
  return text !== undefined && /^-?[0-9]+$/.test(text) ? Number(text) : undefined
}
