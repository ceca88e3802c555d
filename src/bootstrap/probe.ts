// What a host is like, asked before anything is copied to it: one POSIX script that changes nothing but creates the destination, and needs
// no more than a shell and the usual small tools.

import { SwarmError } from '../base/errors.ts'
import { shellWord } from './quoting.ts'
import { LINE_MARK } from './ssh.ts'

/** The C library that Node needs. */
const LIBC_MIN = [2, 28] as const
/** An unpacked program, and its archive beside it. */
const PROGRAM_BYTES = 250_000_000
const KIB = 1024

export interface ProbeInit {
  /** Of the snapshot on this host; absolute, or from the user's home folder. */
  readonly directory: string
  /** Where programs go; undefined: `$XDG_DATA_HOME/swarm`, else `~/.local/share/swarm`. */
  readonly prefix: string | undefined
  /** Of the package that should be installed there. */
  readonly packageId: string
}

export interface HostFacts {
  /** Absolute paths on the host. */
  readonly prefix: string
  readonly directory: string
  readonly isInstalled: boolean
  /** Root of the snapshot that a join has finished there; undefined: none. */
  readonly readyRoot: string | undefined
  readonly tools: ReadonlySet<string>
}

export function probeScript(init: ProbeInit): string {
  return `
say() { printf '${LINE_MARK}%s\\n' "$1"; }
prefix=${init.prefix === undefined ? `"\${XDG_DATA_HOME:-$HOME/.local/share}/swarm"` : shellWord(init.prefix)}
directory=${shellWord(init.directory)}
case $prefix in /*) ;; '~/'*) prefix=$HOME/\${prefix#??} ;; *) prefix=$HOME/$prefix ;; esac
case $directory in /*) ;; '~/'*) directory=$HOME/\${directory#??} ;; *) directory=$HOME/$directory ;; esac
# What a login prints may not end its last line.
echo
say "prefix=$prefix"
say "directory=$directory"
say "system=$(uname -s)"
say "machine=$(uname -m)"
say "libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 1)"
for tool in tar gzip xz sha256sum shasum openssl curl wget python3 bash; do
  command -v "$tool" >/dev/null 2>&1 && say "tool=$tool"
done
try() {
  if reason=$({ mkdir -p "$2" && printf x >"$2/.swarm-probe"; } 2>&1); then say "$1Write=ok"; else say "$1Write=$(printf '%s' "$reason" | tail -n 1)"; fi
  rm -f "$2/.swarm-probe" 2>/dev/null
  at=$2
  while [ ! -d "$at" ]; do at=$(dirname "$at"); done
  free=$(df -Pk "$at" 2>/dev/null | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4)
  say "$1FreeKiB=$free"
}
try prefix "$prefix"
try directory "$directory"
set -- $(ls -ldn "$prefix" 2>/dev/null)
case \${3:-} in '' | 0 | "$(id -u)") ;; *) say foreign=yes ;; esac
[ -r "$prefix/${init.packageId}/installed" ] && say installed=yes
[ -d "$directory/.swarm" ] && say begun=yes
[ -r "$directory/.swarm/ready" ] && say "ready=$(head -n 1 "$directory/.swarm/ready")"
say end=yes
`
}

/** Collects the script's lines; `facts` judges them. */
export class ProbeAnswer {
  readonly #values = new Map<string, string>()
  readonly #tools = new Set<string>()

  take(line: string): void {
    const at = line.indexOf('=')
    if (at < 0) return
    const name = line.slice(0, at)
    if (name === 'tool') this.#tools.add(line.slice(at + 1))
    else this.#values.set(name, line.slice(at + 1))
  }

  /** Whether the script came to its end. */
  get isWhole(): boolean {
    return this.#values.has('end')
  }

  /**
   * Throws the error that a join would end with there, for what no later step can mend; nothing when it has finished `root` already.
   * `wantedBytes`: of the snapshot, if known.
   */
  facts(packageMachine: string, wantedBytes: number | undefined, root?: string): HostFacts {
    const get = (name: string): string => this.#values.get(name) ?? ''
    const isInstalled = get('installed') === 'yes'
    const readyRoot = this.#values.get('ready')
    const facts = { prefix: get('prefix'), directory: get('directory'), isInstalled, readyRoot, tools: this.#tools }
    if (root !== undefined && readyRoot === root) return facts
    if (get('system') !== 'Linux')
      throw unsupported(`it runs ${get('system') || 'an unknown system'}`, 'swarm needs Linux there')
    if (get('machine') !== packageMachine) {
      throw unsupported(
        `its processor is ${get('machine')}, the package is for ${packageMachine}`,
        'give --package FILE for that processor, made by npm run pack on such a machine',
      )
    }
    checkLibc(get('libc'))
    const prefixFree = freeBytes(get('prefixFreeKiB'))
    const otherPrefix = 'give --prefix DIR, a folder that this user may write to'
    // Whoever owns the folder could have put any program there, also one that looks installed.
    checkWritable(get('prefix'), get('foreign') === '' ? 'ok' : 'belongs to another user', otherPrefix)
    // Notes about joins go there too.
    checkWritable(get('prefix'), get('prefixWrite'), otherPrefix)
    if (!isInstalled) {
      if (prefixFree < PROGRAM_BYTES)
        throw full(get('prefix'), prefixFree, PROGRAM_BYTES, 'free some, or give --prefix DIR on another disk')
      for (const tool of ['tar', 'gzip'])
        if (!this.#tools.has(tool)) throw unsupported(`it has no ${tool}`, `install ${tool} there`)
      if (!['sha256sum', 'shasum', 'openssl'].some((tool) => this.#tools.has(tool)))
        throw unsupported('it has neither sha256sum, shasum nor openssl', 'install coreutils there')
    }
    checkWritable(
      get('directory'),
      get('directoryWrite'),
      'choose another directory, or give this user the right to write there',
    )
    const free = freeBytes(get('directoryFreeKiB'))
    // A join that was begun has some of it already, and looks for itself.
    if (wantedBytes !== undefined && free < wantedBytes && get('begun') === '')
      throw full(get('directory'), free, wantedBytes, 'free some, or choose a directory on another disk')
    return facts
  }
}

function checkLibc(text: string): void {
  const match = /(?:glibc|GLIBC|GNU libc|ldd)[^0-9]*.*?(\d+)\.(\d+)\s*$/.exec(text.trim())
  if (match === null) {
    const what = /musl/i.test(text) ? 'musl' : text.slice(0, 80) || 'unknown'
    throw unsupported(
      `its C library is ${what}`,
      'swarm needs the GNU C library 2.28 or later: Debian 10, Ubuntu 20.04, Red Hat 8 or later',
    )
  }
  const [major, minor] = [Number(match[1]), Number(match[2])]
  if (major > LIBC_MIN[0] || (major === LIBC_MIN[0] && minor >= LIBC_MIN[1])) return
  throw unsupported(
    `its C library is glibc ${major}.${minor}`,
    'swarm needs 2.28 or later: Debian 10, Ubuntu 20.04, Red Hat 8 or later',
  )
}

function checkWritable(folder: string, outcome: string, cure: string): void {
  if (outcome === 'ok') return
  const isFull = /no space|quota/i.test(outcome)
  throw new SwarmError(isFull ? 'diskFull' : 'diskPermission', `${folder}: ${outcome || 'cannot be written'}`, {
    cure: isFull ? 'free some space there, or choose another directory' : cure,
  })
}

/** Unknown counts as enough: the join looks for itself. */
function freeBytes(kibibytes: string): number {
  return /^\d+$/.test(kibibytes) ? Number(kibibytes) * KIB : Number.MAX_SAFE_INTEGER
}

function full(folder: string, free: number, wanted: number, cure: string): SwarmError {
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`
  return new SwarmError('diskFull', `${folder}: ${megabytes(free)} free, ${megabytes(wanted)} needed`, { cure })
}

function unsupported(message: string, cure: string): SwarmError {
  return new SwarmError('unsupportedVersion', message, { cure })
}
