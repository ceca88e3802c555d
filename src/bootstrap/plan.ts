// What every text is made from, and the rules that the user's values must keep. Values in, values out.

import { SwarmError } from '../base/errors.ts'
import { checkPlainText, shellWord, shellWords } from './quoting.ts'

/** The packed file, as a machine of the cluster finds it. */
export interface PackageSource {
  /** https:// or http:// address, or an absolute path that every machine sees. */
  readonly location: string
  /** 64 lower-case hex digits. */
  readonly sha256: string
}

export interface JoinPlan {
  /** A name or name@root; `-` when a ticket in SWARM_TICKET leads to the snapshot. */
  readonly snapshot: string
  /** Destination on the machines. */
  readonly directory: string
  readonly storeUrl: string | undefined
  /** Further arguments of join. */
  readonly joinArguments: readonly string[]
  /** Undefined only where an image brings swarm along. */
  readonly package: PackageSource | undefined
  /** KEY=VALUE lines to put into the text; only what the user insisted on with --embed-secrets. */
  readonly embedded: readonly string[]
}

/** The only variables that are taken from a file of secrets, here and on the machines, or given to joins on other hosts. */
export const SECRET_KEYS: readonly string[] = [
  'SWARM_TICKET',
  'SWARM_STORE',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_S3',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'R2_ACCOUNT_ID',
]

/** Where join listens on every machine of a text; the texts open and map this one. */
export const SWARM_PORT = 4001

const HEX_64 = /^[0-9a-f]{64}$/

/** Checks where the package is and what it must hash to. Throws `usage`. */
export function checkPackage(location: string, sha256: string): PackageSource {
  checkPlainText('--package-url', location)
  const digest = sha256.trim().toLowerCase()
  if (!HEX_64.test(digest)) {
    throw usage(
      `--package-sha256 is not a SHA-256: ${JSON.stringify(sha256)}`,
      'give the 64 hex digits that sha256sum prints for the packed file, or --package FILE to have them computed',
    )
  }
  if (/^\/(?!\/)/.test(location)) return { location, sha256: digest }
  const url = URL.canParse(location) ? new URL(location) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw usage(
      `--package-url is neither an http(s) address nor an absolute path: ${JSON.stringify(location)}`,
      'give https://host/swarm-<version>-linux-<arch>.tar.xz, or for Slurm a path on the shared file system; for s3:// make a presigned https:// address',
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw usage(
      '--package-url holds a user name or password',
      'give an address that works without, such as a presigned one',
    )
  }
  return { location, sha256: digest }
}

/** Whether the package is fetched over the network rather than read from a file system. */
export function isRemote(source: PackageSource): boolean {
  return !source.location.startsWith('/')
}

/** Checks the store's URL for use in a text. Throws `usage`. */
export function checkStoreUrl(url: string): string {
  checkPlainText('--store', url)
  if (/^[^/]*\/\/[^/]*@/.test(url)) {
    throw usage('the store URL holds credentials', 'leave them out of the URL; the texts say where credentials go')
  }
  return url
}

/** Checks KEY=VALUE lines of a file of secrets; comments and empty lines are left out. Never quotes a value. Throws `usage`. */
export function parseSecrets(text: string): string[] {
  const lines: string[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\r$/, '')
    if (line === '' || line.startsWith('#')) continue
    const key = /^([A-Z0-9_]+)=./.exec(line)?.[1]
    if (key === undefined || !SECRET_KEYS.includes(key)) {
      throw usage(
        `line ${index + 1} of the file of secrets is not KEY=VALUE with a known key`,
        `the keys are ${SECRET_KEYS.join(', ')}`,
      )
    }
    lines.push(checkPlainText(`line ${index + 1} of the file of secrets`, line))
  }
  return lines
}

/** The words of `swarm join ...` after `swarm`. */
export function joinWords(plan: JoinPlan): string[] {
  const store = plan.storeUrl === undefined ? [] : ['--store', plan.storeUrl]
  return ['join', ...store, ...plan.joinArguments, '--', plan.snapshot, plan.directory]
}

/** `swarm join ...` as sh; `directory` replaces the last word where it holds variables. */
export function joinCommand(plan: JoinPlan, program: string, directory = shellWord(plan.directory)): string {
  return `${program} ${shellWords(joinWords(plan).slice(0, -1))} ${directory}`
}

/** `usage`, for a value that the caller must change. */
export function usage(message: string, cure: string): SwarmError {
  return new SwarmError('usage', message, { blame: 'caller', cure })
}
