// Brings the package to a host: from this machine over ssh, or from a host that has it over plain HTTP. Either way the host compares the
// checksum, which came over ssh, before anything of it is unpacked. Where it arrives is the folder in which it is then unpacked.

import { INSTALLED_MARK, installCore, NEW_FOLDER, SAY } from './install-script.ts'
import type { PackageFile } from './own-package.ts'
import { remoteShell, shellWord } from './quoting.ts'
import { LINE_MARK } from './ssh.ts'

/** Seconds until a host that does not answer is given up, and for the whole transfer. */
const CONNECT_SECONDS_MAX = 5
const FETCH_SECONDS_MAX = 900
/** A transfer that is slower for so long has failed; another host, or this machine, gives it then. */
const FETCH_BYTES_PER_SEC_MIN = 1000
const STALL_SECONDS_MAX = 30
/** What `unpackScript` exits with for a wrong checksum. */
export const DAMAGED_EXIT = 22

/** Of programs and paths made by us, which need no quoting in `uploadCommand`. */
const PLAIN_PATH = /^\/[A-Za-z0-9._/@+-]*$/

/** Whether a prefix can be used: it has to pass through login shells of every kind. */
export function isPlainPath(path: string): boolean {
  return PLAIN_PATH.test(path)
}

/** Where the package arrives. `nonce` keeps two runs at once apart. */
function arrivalFolder(prefix: string, nonce: string): string {
  return `${prefix}/${NEW_FOLDER}${nonce}`
}

/** Takes the package from stdin; what a full disk cut off does not stay there to fill it. */
export function uploadCommand(prefix: string, nonce: string): string {
  const folder = arrivalFolder(prefix, nonce)
  return remoteShell(`umask 022; mkdir -p ${folder} && cat > ${folder}/package || { rm -rf ${folder}; exit 1; }`)
}

/** Fetches the package from the first of `urls` that gives it, with whatever this host has to fetch with. Exits 20 when none does. */
export function fetchScript(prefix: string, nonce: string, urls: readonly string[]): string {
  return `
umask 022
folder=${shellWord(arrivalFolder(prefix, nonce))}
mkdir -p "$folder" || exit 21
part=$folder/package
has() { command -v "$1" >/dev/null 2>&1; }
get() {
  if has curl; then curl -fsS --connect-timeout ${CONNECT_SECONDS_MAX} --speed-limit ${FETCH_BYTES_PER_SEC_MIN} --speed-time ${STALL_SECONDS_MAX} --max-time ${FETCH_SECONDS_MAX} -o "$part" "$1"
  elif has wget; then wget -q -t 1 -T ${STALL_SECONDS_MAX} -O "$part" "$1"
  elif has python3; then python3 -c 'import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=${STALL_SECONDS_MAX}) as source, open(sys.argv[2], "wb") as target: shutil.copyfileobj(source, target)' "$1" "$part"
  elif has bash; then rest=\${1#http://}; bash -c 'host=\${1%:*}; host=\${host#[}; exec 3<>"/dev/tcp/\${host%]}/\${1##*:}" && printf "GET %s HTTP/1.0\\r\\n\\r\\n" "$2" >&3 && while IFS= read -r line <&3 && [ "$line" != "$(printf "\\r")" ]; do :; done && cat <&3 >"$3"' get "\${rest%%/*}" "/\${rest#*/}" "$part"
  else return 1
  fi
}
${urls.map((url) => `get ${shellWord(url)} 2>/dev/null && exit 0`).join('\n')}
rm -rf "$folder"
exit 20
`
}

/** Compares, unpacks and puts in place. Exits with DAMAGED_EXIT for a wrong checksum. Repeating it does no harm. */
export function unpackScript(prefix: string, nonce: string, file: PackageFile): string {
  const home = shellWord(`${prefix}/${file.id}`)
  const { compression } = file
  return `umask 022
${SAY}${installCore({ compression, keepsArchive: true, damagedExit: DAMAGED_EXIT })}
unpack() {
  # Somebody else's copy of the same package is as good.
  [ -r "$1/${INSTALLED_MARK}" ] || swarm_put "$1" ${file.sha256}
}
swarm_new=${shellWord(arrivalFolder(prefix, nonce))}
swarm_tidy
swarm_own ${shellWord(prefix)}
swarm_begin ${shellWord(prefix)}
swarm_alone ${shellWord(prefix)} unpack ${home}
printf '\\n${LINE_MARK}%s\\n' installed=yes
`
}

/** The program of an installed package. */
export function programPath(prefix: string, file: PackageFile): string {
  return `${prefix}/${file.id}/swarm`
}

/** The archive of an installed package, kept to be passed on. */
export function archivePath(prefix: string, file: PackageFile): string {
  return `${prefix}/${file.id}/package`
}
