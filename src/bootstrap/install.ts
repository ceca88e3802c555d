// Brings the package to a host and unpacks it there: from this machine over ssh, or from a host that has it over plain HTTP. Either way the
// host compares the checksum, which came over ssh, before anything of it is unpacked.

import type { PackageFile } from './own-package.ts'
import { remoteShell, shellWord } from './quoting.ts'
import { LINE_MARK } from './ssh.ts'

/** Seconds until a host that does not answer is given up, and for the whole transfer. */
const CONNECT_SECONDS_MAX = 5
const FETCH_SECONDS_MAX = 900

/** Of programs and paths made by us, which need no quoting in `uploadCommand`. */
const PLAIN_PATH = /^\/[A-Za-z0-9._/@+-]*$/

/** Whether a prefix can be used: it has to pass through login shells of every kind. */
export function isPlainPath(path: string): boolean {
  return PLAIN_PATH.test(path)
}

/** Where the package lies before it is unpacked. `nonce` keeps two runs at once apart. */
function arrivalPath(prefix: string, nonce: string): string {
  return `${prefix}/.arriving-${nonce}`
}

/** Takes the package from stdin. */
export function uploadCommand(prefix: string, nonce: string): string {
  return remoteShell(`umask 022; mkdir -p ${prefix} && exec cat > ${arrivalPath(prefix, nonce)}`)
}

/** Fetches the package from the first of `urls` that gives it, with whatever this host has to fetch with. Exits 20 when none does. */
export function fetchScript(prefix: string, nonce: string, urls: readonly string[]): string {
  return `
umask 022
mkdir -p ${shellWord(prefix)} || exit 21
part=${shellWord(arrivalPath(prefix, nonce))}
has() { command -v "$1" >/dev/null 2>&1; }
get() {
  if has curl; then curl -fsS --connect-timeout ${CONNECT_SECONDS_MAX} --max-time ${FETCH_SECONDS_MAX} -o "$part" "$1"
  elif has wget; then wget -q -T ${CONNECT_SECONDS_MAX} -O "$part" "$1"
  elif has python3; then python3 -c 'import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=${CONNECT_SECONDS_MAX}) as source, open(sys.argv[2], "wb") as target: shutil.copyfileobj(source, target)' "$1" "$part"
  elif has bash; then rest=\${1#http://}; bash -c 'exec 3<>"/dev/tcp/\${1%%:*}/$2" && printf "GET %s HTTP/1.0\\r\\n\\r\\n" "$3" >&3 && while IFS= read -r line <&3 && [ "$line" != "$(printf "\\r")" ]; do :; done && cat <&3 >"$4"' get "\${rest%%/*}" "$(printf '%s' "\${rest%%/*}" | sed 's/.*://')" "/\${rest#*/}" "$part"
  else return 1
  fi
}
${urls.map((url) => `get ${shellWord(url)} 2>/dev/null && exit 0`).join('\n')}
rm -f "$part"
exit 20
`
}

/** Compares, unpacks and puts in place. Exits 22 for a wrong checksum, 23 when it cannot be unpacked. Repeating it does no harm. */
export function unpackScript(prefix: string, nonce: string, file: PackageFile): string {
  const home = `${prefix}/${file.id}`
  return `
umask 022
part=${shellWord(arrivalPath(prefix, nonce))}
home=${shellWord(home)}
unpacked=${shellWord(`${prefix}/.unpacking-${nonce}`)}
if command -v sha256sum >/dev/null 2>&1; then sum=$(sha256sum "$part")
elif command -v shasum >/dev/null 2>&1; then sum=$(shasum -a 256 "$part")
else sum=$(openssl dgst -sha256 -r "$part")
fi
if [ "\${sum%% *}" != ${file.sha256} ]; then rm -f "$part"; exit 22; fi
rm -rf "$unpacked"
mkdir "$unpacked" && ${file.compression === 'gzip' ? 'gzip' : 'xz'} -dc "$part" | (cd "$unpacked" && tar xf -)
top=$(echo "$unpacked"/*)
if [ ! -x "$top/swarm" ]; then rm -rf "$unpacked" "$part"; exit 23; fi
mv "$part" "$top/package" && : >"$top/installed"
# Somebody else's copy of the same package is as good.
[ -r "$home/installed" ] || { rm -rf "$home"; mv "$top" "$home"; }
rm -rf "$unpacked"
[ -r "$home/installed" ] && printf '${LINE_MARK}%s\\n' installed=yes
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
