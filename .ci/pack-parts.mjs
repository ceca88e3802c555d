// What both archives are made of: this repository's Node, the packages that dist/lib loads, and how an archive is written.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Packages with a native part, which the bundle leaves outside: both folders of each. */
const PACKAGES = /^blake-hash(-linux-(x64|arm64)-gnu)?$/
/** What no program loads. */
const UNUSED_FILE = /\.(map|md|d\.[cm]?ts|tsbuildinfo)$/

/** Runs a command to its end and returns what it printed; throws with all of that when it failed. */
export function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8' })
  if (result.status === 0) return result.stdout
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
  throw new Error(`${command} ${args.join(' ')}: ${result.error?.message ?? `exit ${result.status}`}`)
}

/** This repository's Node as `target`, without its symbols, and its licence beside it. */
export function copyNode(target) {
  const from = realpathSync(join(root, 'node_modules', '.bin', 'node'))
  const license = join(dirname(dirname(from)), 'LICENSE')
  mkdirSync(dirname(target), { recursive: true })
  if (existsSync(license)) copyFileSync(license, join(dirname(target), 'LICENSE.node'))
  copyFileSync(from, target)
  chmodSync(target, 0o755)
  run('strip', [target])
}

/** Has `work` fill a new folder called `name`, and takes it away again. Two at once do not meet. */
export function inStagingFolder(name, work) {
  mkdirSync(join(root, 'build'), { recursive: true })
  const staging = mkdtempSync(join(root, 'build', 'pack-'))
  try {
    mkdirSync(join(staging, name))
    return work(join(staging, name))
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** The launcher, the bundle, the addon and what the bundle loads from packages, into `folder`. */
export function copyProgram(folder) {
  const isUsed = (path) => !statSync(path).isFile() || !UNUSED_FILE.test(path)
  for (const part of ['swarm', 'lib', 'native']) {
    cpSync(join(root, 'dist', part), join(folder, part), { recursive: true, filter: isUsed })
  }
  const scope = join('node_modules', '@napi-rs')
  for (const name of readdirSync(join(root, scope)).filter((entry) => PACKAGES.test(entry))) {
    cpSync(join(root, scope, name), join(folder, scope, name), { recursive: true, filter: isUsed })
  }
}

/**
 * An archive of one folder: the same bytes from the same files, whoever packs them and when. `level`: 0 to 9, as xz has it.
 * Throws when it is larger than `bytesMax`; the archive is there whole or not at all.
 */
export function writeArchive(folder, archive, level, bytesMax) {
  const owner = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', `--mtime=@${commitTime()}`]
  mkdirSync(dirname(archive), { recursive: true })
  const part = `${folder}.part`
  run('tar', ['-C', dirname(folder), ...owner, '-cJf', part, basename(folder)], { XZ_OPT: `-${level}` })
  const bytes = statSync(part).size
  const mebibytes = (bytes / 2 ** 20).toFixed(1)
  if (bytes > bytesMax) throw new Error(`${archive} would have ${mebibytes} MiB, more than ${bytesMax / 2 ** 20}`)
  // Of this process alone: another one that packs to the same place would take it away, or write into it.
  const arriving = `${archive}.${process.pid}.part`
  try {
    copyFileSync(part, arriving)
    renameSync(arriving, archive)
  } finally {
    rmSync(arriving, { force: true })
  }
  return mebibytes
}

function commitTime() {
  const result = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' })
  return result.status === 0 ? result.stdout.trim() : 0
}
