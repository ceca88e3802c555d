// The POSIX sh that all texts share: fetch the package, check it, unpack it, and read a file of secrets. Works in dash,
// bash and busybox, without root.

import { type PackageSource, SECRET_KEYS } from './plan.ts'
import { shellWord } from './quoting.ts'

/** Defines swarm_say and swarm_fail. */
export const SAY = `swarm_say() { printf 'swarm-start: %s\\n' "$*" >&2; }
swarm_fail() { swarm_say "$*"; exit 1; }
`

/**
 * Defines `swarm_install PREFIX`, which leaves the package in PREFIX/<sha256> and sets SWARM to the launcher. Needs SAY.
 * Nothing is unpacked before the checksum fits, and the folder gets its name by one rename: it is there whole or not at
 * all. flock keeps a second start from fetching too; where there is none both fetch and the first rename wins.
 */
export function installFunctions(source: PackageSource): string {
  const architecture = /-linux-(x64|arm64)\.tar\.xz/.exec(source.location)?.[1]
  const machine = architecture === 'arm64' ? 'aarch64' : 'x86_64'
  const architectureCheck =
    architecture === undefined
      ? ''
      : `  [ "$(uname -m)" = ${machine} ] || swarm_fail "the package is for ${machine}, this machine is $(uname -m)"\n`
  return `swarm_location=${shellWord(source.location)}
swarm_sha256=${source.sha256}
swarm_install() {
${architectureCheck}  swarm_prefix=$1
  SWARM=$swarm_prefix/$swarm_sha256/swarm
  [ ! -x "$SWARM" ] || return 0
  mkdir -p "$swarm_prefix" || swarm_fail "cannot make $swarm_prefix; name another folder"
  # A folder of somebody else, as anyone can make one in /tmp, could hold anything.
  [ "$(ls -ldn "$swarm_prefix" | awk '{ print $3 }')" = "$(id -u)" ] || swarm_fail "$swarm_prefix belongs to another user; name another folder"
  if command -v flock >/dev/null 2>&1; then
    ( flock 9 && swarm_unpack ) 9>"$swarm_prefix/lock" || exit 1
  else
    ( swarm_unpack ) || exit 1
  fi
}
swarm_unpack() {
  [ ! -x "$SWARM" ] || return 0
  command -v xz >/dev/null 2>&1 || swarm_fail 'xz is missing: install the package xz-utils (Debian, Ubuntu) or xz (Fedora, Alpine)'
  command -v tar >/dev/null 2>&1 || swarm_fail 'tar is missing: install the package tar'
  swarm_new=$(mktemp -d "$swarm_prefix/new.XXXXXX") || swarm_fail "cannot write to $swarm_prefix"
  trap 'rm -rf "$swarm_new"' EXIT
  trap 'exit 143' TERM INT HUP
  swarm_fetch "$swarm_new/package" || swarm_fail 'the package could not be fetched'
  swarm_got=$(swarm_hash "$swarm_new/package") || swarm_fail 'cannot hash: install coreutils or openssl'
  [ "$swarm_got" = "$swarm_sha256" ] || swarm_fail "the package has SHA-256 $swarm_got, not $swarm_sha256: nothing was unpacked"
  mkdir "$swarm_new/tree"
  xz -dc <"$swarm_new/package" >"$swarm_new/package.tar" || swarm_fail 'the package could not be decompressed: is the disk full?'
  tar -xf "$swarm_new/package.tar" -C "$swarm_new/tree" --strip-components=1 || swarm_fail 'the package could not be unpacked: is the disk full?'
  [ -x "$swarm_new/tree/swarm" ] || swarm_fail 'the package holds no swarm'
  # mv would move into a folder that is there already; whoever came first has unpacked the same bytes.
  [ -e "$swarm_prefix/$swarm_sha256" ] || mv "$swarm_new/tree" "$swarm_prefix/$swarm_sha256"
  rm -rf "$swarm_prefix/$swarm_sha256/tree"
  swarm_say "installed $SWARM"
}
# A transfer that stands still ends: no start waits for ever.
swarm_fetch() {
  case $swarm_location in
  /*) cp "$swarm_location" "$1" ;;
  *)
    swarm_say 'fetching the package'
    if command -v curl >/dev/null 2>&1; then
      curl -fsSL --retry 5 --connect-timeout 20 --speed-limit 1000 --speed-time 60 -o "$1" "$swarm_location"
    elif command -v wget >/dev/null 2>&1; then
      wget -q -T 60 -O "$1" "$swarm_location"
    else
      swarm_fail 'curl and wget are missing: install one of them'
    fi ;;
  esac
}
swarm_hash() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1" | cut -d ' ' -f 1
  else openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  fi
}
`
}

/** Defines `swarm_secrets FILE`, which exports the known keys of a file that only its owner can read. Needs SAY. */
export function secretsFunction(): string {
  return `# Lines are taken literally, never run. Nothing of a value is ever printed.
swarm_secrets() {
  [ -r "$1" ] || swarm_fail "cannot read $1"
  case $(ls -ldL "$1") in
  -r[-w]-------' '* | -r[-w]-------.' '*) ;;
  *) swarm_fail "others may read $1: run chmod 600 on it" ;;
  esac
  swarm_number=0
  while IFS= read -r swarm_line || [ -n "$swarm_line" ]; do
    swarm_number=$((swarm_number + 1))
    case $swarm_line in
    '' | '#'*) ;;
    ${SECRET_KEYS.map((key) => `${key}=?*`).join(' | ')}) export "$swarm_line" ;;
    *) swarm_fail "line $swarm_number of $1 is not KEY=VALUE with a known key" ;;
    esac
  done <"$1"
}
`
}
