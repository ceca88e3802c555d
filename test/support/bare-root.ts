// File systems with little in them, to run the packed file in: nothing but the C library, a shell and three small tools; or the oldest Debian
// that debootstrap can make here.

import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { promisify } from 'node:util'

/** What the launcher calls. */
const TOOLS = ['sh', 'uname', 'dirname', 'readlink']
const C_LIBRARY = /^(ld-linux.*|libc|libm|libdl|libpthread|librt)\.so/
/** Newest last: the first that the mirror still has is taken. */
const OLD_SUITES = ['stretch', 'buster', 'bullseye']

/** Why there can be no such root here, or undefined when there can. */
export function bareRootUnavailable(): string | undefined {
  return process.getuid?.() === 0 && process.platform === 'linux' ? undefined : 'needs root, to chroot'
}

/** Makes `folder` a root with the C library of this machine and nothing else that a program could be linked to. */
export function makeBareRoot(folder: string): void {
  mkdirSync(`${folder}/bin`, { recursive: true })
  mkdirSync(`${folder}/tmp`)
  for (const tool of TOOLS) {
    const path = realpathSync(execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim())
    copyFileSync(path, `${folder}/bin/${tool}`)
    for (const library of librariesOf(path)) copyInto(folder, library)
  }
  for (const library of librariesOf(process.execPath).filter((path) => C_LIBRARY.test(basename(path)))) {
    copyInto(folder, library)
    // Part of the C library, though Node itself does not ask for it.
    const realTime = `${dirname(library)}/librt.so.1`
    if (existsSync(realTime)) copyInto(folder, realTime)
  }
}

function librariesOf(program: string): string[] {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' })
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}

function copyInto(folder: string, path: string): void {
  if (existsSync(`${folder}${path}`)) return
  mkdirSync(dirname(`${folder}${path}`), { recursive: true })
  copyFileSync(path, `${folder}${path}`)
}

/** Unpacks the packed file into a root, as /opt/swarm, and returns the launcher's path there. */
export function unpackInto(folder: string, archive: string): string {
  mkdirSync(`${folder}/opt/swarm`, { recursive: true })
  execFileSync('tar', ['-C', `${folder}/opt/swarm`, '--strip-components=1', '-xf', archive])
  return '/opt/swarm/swarm'
}

/** Makes `folder` a minimal system of the oldest Debian that the mirror has; resolves with its name. */
export async function makeOldDebian(folder: string): Promise<string> {
  const mirror = 'http://deb.debian.org/debian'
  let last: unknown
  for (const suite of OLD_SUITES) {
    try {
      await promisify(execFile)('debootstrap', ['--variant=minbase', suite, folder, mirror])
      return suite
    } catch (error) {
      last = error
    }
  }
  throw new Error(`debootstrap could make none of ${OLD_SUITES.join(', ')}`, { cause: last })
}
