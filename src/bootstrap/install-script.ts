// The POSIX sh that installs on a machine, for the printed texts and for bootstrap ssh alike: compare the checksum, unpack beside the place,
// put in place by one rename. Works in dash, bash and busybox, without root.

import { type PackageSource, SECRET_KEYS } from './plan.ts'
import { shellWord } from './quoting.ts'

/** Defines swarm_say and swarm_fail. */
export const SAY = `swarm_say() { printf 'swarm-start: %s\\n' "$*" >&2; }
swarm_fail() { swarm_say "$*"; exit 1; }
`

/** Folders in which something arrives and is unpacked; a dot keeps them out of the way. */
export const NEW_FOLDER = '.new.'
/** In the folder of a package that is whole. */
export const INSTALLED_MARK = 'installed'

export interface InstallOptions {
  readonly compression: 'gzip' | 'xz'
  /** Leaves the archive as `package` in the installed folder, to be passed on. */
  readonly keepsArchive: boolean
  /** Exit code for a wrong checksum; 1 for everything else that fails. */
  readonly damagedExit: number
}

/**
 * Defines, needing SAY: `swarm_own FOLDER`; `swarm_alone FOLDER COMMAND...`; `swarm_begin PREFIX`, which sets swarm_new; `swarm_tidy`, which has
 * $swarm_new removed when the shell ends; and `swarm_put HOME SHA256`, which makes $swarm_new/package the folder HOME.
 */
export function installCore(options: InstallOptions): string {
  const { compression, keepsArchive, damagedExit } = options
  const missing = compression === 'xz' ? 'xz-utils (Debian, Ubuntu) or xz (Fedora, Alpine)' : 'gzip'
  return `# Nobody else may write there: in /tmp anyone can make a folder of any name, with any program in it.
swarm_own() {
  ( umask 022; mkdir -p "$1" ) || swarm_fail "cannot make $1: name another folder"
  set -- "$1" $(ls -ldn "$1")
  case \${4:-} in
  0 | "$(id -u)") ;;
  *) swarm_fail "$1 belongs to another user: name another folder" ;;
  esac
}
# One start at a time. Where flock is missing, or the file system has no locks, each works in a folder of its own and the first rename wins.
swarm_alone() {
  swarm_lock=$1
  shift
  (
    ! command -v flock >/dev/null 2>&1 || flock 9 2>/dev/null || :
    "$@"
  ) 9<"$swarm_lock" || exit
}
swarm_begin() {
  command -v ${compression} >/dev/null 2>&1 || swarm_fail '${compression} is missing: install ${missing}'
  command -v tar >/dev/null 2>&1 || swarm_fail 'tar is missing: install tar'
  # What starts that were killed have left.
  find "$1" -maxdepth 1 -name '${NEW_FOLDER}*' -mtime +0 -exec rm -rf {} + 2>/dev/null || :
  [ -n "\${swarm_new:-}" ] || swarm_new=$(mktemp -d "$1/${NEW_FOLDER}XXXXXX") || swarm_fail "cannot write to $1: free some space, or name another folder"
}
swarm_tidy() {
  trap 'rm -rf "$swarm_new"' EXIT
  trap 'exit 143' TERM INT HUP
}
# By stdin: of a name with a backslash sha256sum makes another one.
swarm_hash() {
  if command -v sha256sum >/dev/null 2>&1; then swarm_got=$(sha256sum <"$1")
  elif command -v shasum >/dev/null 2>&1; then swarm_got=$(shasum -a 256 <"$1")
  elif command -v openssl >/dev/null 2>&1; then swarm_got=$(openssl dgst -sha256 -r <"$1")
  else swarm_fail 'sha256sum is missing: install coreutils or openssl'
  fi
  swarm_got=\${swarm_got%% *}
}
swarm_put() {
  swarm_hash "$swarm_new/package"
  if [ "$swarm_got" != "$2" ]; then
    swarm_say "the package has SHA-256 $swarm_got, not $2: nothing was unpacked"
    exit ${damagedExit}
  fi
  mkdir "$swarm_new/tree" || swarm_fail 'the package could not be unpacked: is the disk full?'
  # A pipe ends as its last part does; the mark says that the first part did all of its work. -o: never the owner that the packer had.
  { ${compression} -dc <"$swarm_new/package" && : >"$swarm_new/whole"; } | tar -xo -f - -C "$swarm_new/tree" --strip-components=1 &&
    [ -e "$swarm_new/whole" ] || swarm_fail 'the package could not be unpacked: is the disk full?'
  [ -x "$swarm_new/tree/swarm" ] || swarm_fail 'the package holds no swarm: give the file that npm run pack made'
  ${keepsArchive ? 'mv "$swarm_new/package" "$swarm_new/tree/package" && ' : ''}: >"$swarm_new/tree/${INSTALLED_MARK}" || swarm_fail 'the package could not be unpacked: is the disk full?'
  # A folder without the mark is what somebody half removed.
  [ -r "$1/${INSTALLED_MARK}" ] || [ ! -e "$1" ] || mv "$1" "$swarm_new/half" || :
  # mv would move into a folder that is there already; whoever came first has unpacked the same bytes.
  [ -e "$1" ] || mv "$swarm_new/tree" "$1" || :
  rm -rf "$1/tree"
  [ -r "$1/${INSTALLED_MARK}" ] || swarm_fail "the package could not be put into $1: remove what is there"
}
`
}

/**
 * Defines `swarm_install PREFIX`, which leaves the package in PREFIX/<sha256> and sets SWARM to the launcher. Needs SAY. A second start waits for
 * the first instead of fetching too.
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
${architectureCheck}  swarm_own "$1"
  SWARM=$1/$swarm_sha256/swarm
  [ -r "$1/$swarm_sha256/${INSTALLED_MARK}" ] || swarm_alone "$1" swarm_bring "$1"
}
swarm_bring() {
  [ ! -r "$1/$swarm_sha256/${INSTALLED_MARK}" ] || return 0
  swarm_begin "$1"
  swarm_tidy
  swarm_fetch "$swarm_new/package" || swarm_fail 'the package could not be fetched: try --package-url from this machine'
  swarm_put "$1/$swarm_sha256" "$swarm_sha256"
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
${installCore({ compression: 'xz', keepsArchive: false, damagedExit: 1 })}`
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
