// This very installation as one archive, for machines that have nothing: wherever swarm runs from, a packed folder, an installed package or a
// checkout, the hosts get what runs here. Compressed with gzip, because machines without xz are common.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { SwarmError, systemErrorCode } from '../base/errors.ts'

export interface PackageFile {
  readonly path: string
  readonly bytes: number
  /** Hex, of the file. */
  readonly sha256: string
  /** Names the installed folder: the same for the same program. */
  readonly id: string
  readonly compression: 'gzip' | 'xz'
  /** As `uname -m` says it: x86_64 or aarch64. */
  readonly machine: string
}

const ID_CHARACTERS = 16
const UNUSED_MS_MAX = 7 * 24 * 60 * 60 * 1000
/** What this file writes into the cache folder: archives, and what a killed run leaves of making one. */
const CACHED = /^(swarm-.+-[0-9a-f]{16}\.tar\.gz|packing-[A-Za-z0-9]{6})$/
const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/**
 * The archive of this installation, made once and kept in the user's cache folder. `mainPath`: dist/lib/cli/main.js. Throws `internal` where
 * this is no installation, such as the sources run by Node, and `diskFailed`. `packing` hears that it takes some seconds.
 */
export async function packOwnInstallation(
  mainPath: string,
  version: string,
  packing: () => void,
  signal: AbortSignal,
): Promise<PackageFile> {
  const parts = findParts(mainPath)
  const id = await identify(parts)
  const machine = MACHINES[process.arch] ?? process.arch
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'swarm')
  const name = `swarm-${version}-${process.platform}-${process.arch}`
  const path = join(folder, `${name}-${id}.tar.gz`)
  try {
    if (!(await isThere(path))) {
      packing()
      await mkdir(folder, { recursive: true })
      await removeUnused(folder, Date.now())
      const staging = await mkdtemp(join(folder, 'packing-'))
      try {
        await makeArchive(parts, staging, name, version, signal)
        await rename(join(staging, 'archive'), path)
      } finally {
        await rm(staging, { recursive: true, force: true })
      }
    }
    return { path, bytes: (await stat(path)).size, sha256: await fileHash(path), id, compression: 'gzip', machine }
  } catch (cause) {
    signal.throwIfAborted()
    throw new SwarmError('diskFailed', `packing this installation into ${folder}`, {
      cure: 'set XDG_CACHE_HOME to a folder with 200 MB free, or give --package FILE, made by npm run pack',
      cause,
    })
  }
}

/** Whether the archive is there already; marks it as used, if it may. */
async function isThere(path: string): Promise<boolean> {
  const now = new Date()
  await utimes(path, now, now).catch(() => undefined)
  return existsSync(path)
}

/** Removes archives, of other versions mostly, that nobody asked for within a week. What cannot be removed stays. */
export async function removeUnused(folder: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!CACHED.test(name)) continue
    const path = join(folder, name)
    // Another run may be removing it, too.
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: nowMs }))
    if (nowMs - mtimeMs > UNUSED_MS_MAX) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** A packed file that the user names: `swarm-<version>-linux-<arch>.tar.xz`. Throws `usage` for another name or a missing file. */
export async function readPackageFile(path: string): Promise<PackageFile> {
  const match = /-linux-(x64|arm64)[^/]*\.tar\.(xz|gz)$/.exec(path)
  if (match === null) {
    throw new SwarmError('usage', `--package ${path} is not named like a packed file`, {
      blame: 'caller',
      cure: 'give swarm-<version>-linux-x64.tar.xz or -arm64, as npm run pack makes it',
    })
  }
  try {
    const { size } = await stat(path)
    const sha256 = await fileHash(path)
    const machine = MACHINES[match[1] ?? ''] ?? ''
    return {
      path,
      bytes: size,
      sha256,
      id: sha256.slice(0, ID_CHARACTERS),
      compression: match[2] === 'xz' ? 'xz' : 'gzip',
      machine,
    }
  } catch (cause) {
    const code = systemErrorCode(cause)
    throw new SwarmError('usage', `--package ${path} cannot be read${code === undefined ? '' : ` (${code})`}`, {
      blame: 'caller',
      cure: 'check the path',
      cause,
    })
  }
}

/** Where each part of an installation lies here, by where it lies in the archive. */
function findParts(mainPath: string): ReadonlyMap<string, string> {
  const base = dirname(dirname(dirname(mainPath)))
  const packages = [base, dirname(base)]
    .map((folder) => join(folder, 'node_modules', '@napi-rs'))
    .find((folder) => existsSync(folder))
  const parts = new Map<string, string>()
  for (const part of ['swarm', 'lib', 'native', 'runtime', 'LICENSE']) {
    if (existsSync(join(base, part))) parts.set(part, join(base, part))
  }
  parts.set('node', existsSync(join(base, 'node')) ? join(base, 'node') : process.execPath)
  if (packages !== undefined) parts.set('node_modules/@napi-rs', packages)
  const missing = ['swarm', 'lib', 'native', 'node_modules/@napi-rs'].filter((part) => !parts.has(part))
  if (missing.length === 0) return parts
  throw new SwarmError('internal', `${base} is no installation of swarm: ${missing.join(', ')} is missing`, {
    cure: 'give --package FILE, made by npm run pack',
  })
}

/** A hash of every file's place and content. */
async function identify(parts: ReadonlyMap<string, string>): Promise<string> {
  const hash = createHash('sha256')
  for (const [name, path] of [...parts].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const isFolder = (await stat(path)).isDirectory()
    const files = isFolder ? await readdir(path, { recursive: true, withFileTypes: true }) : []
    const paths = isFolder
      ? files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name))
      : [path]
    for (const file of paths.sort()) hash.update(`${name}${file.slice(path.length)}\0${await fileHash(file)}\n`)
  }
  return hash.digest('hex').slice(0, ID_CHARACTERS)
}

async function makeArchive(
  parts: ReadonlyMap<string, string>,
  staging: string,
  name: string,
  version: string,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(staging, name)
  for (const [part, path] of parts) {
    await mkdir(dirname(join(folder, part)), { recursive: true })
    // The launcher may itself be a link to one elsewhere.
    if (basename(part) === 'swarm') await cp(path, join(folder, part), { dereference: true })
    else await symlink(path, join(folder, part))
  }
  await writeFile(join(folder, 'package.json'), `${JSON.stringify({ name: 'swarm', version, type: 'module' })}\n`)
  await promisify(execFile)('tar', ['-C', staging, '--dereference', '-czf', join(staging, 'archive'), name], { signal })
}

/** SHA-256 in hex. Throws what reading throws. */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece)
  return hash.digest('hex')
}
