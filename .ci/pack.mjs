// npm run pack [-- --fast] [-- --out DIR]: dist/swarm-<version>-linux-<arch>.tar.xz and its checksum: swarm for a machine without Node,
// compiler, root and network. --fast compresses little, for tests.
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { copyNode, copyProgram, inStagingFolder, root, run, writeArchive } from './pack-parts.mjs'

const ARCHIVE_BYTES_MAX = 45 * 2 ** 20
const FAST_ARCHIVE_BYTES_MAX = 80 * 2 ** 20
/** The oldest C library on which it has to run; Node itself needs that one. */
const LIBC_VERSION_MAX = [2, 28]
/** What Node needs and a system that has only the C library lacks; the launcher names their folder there. */
const RUNTIME_LIBRARIES = ['libstdc++.so.6', 'libgcc_s.so.1']

function readArguments(argv) {
  let fast = false
  let out = join(root, 'dist')
  for (let index = 0; index < argv.length; index++) {
    if (argv[index] === '--fast') fast = true
    else if (argv[index] === '--out' && argv[index + 1] !== undefined) out = resolve(argv[++index])
    else throw new Error(`unknown argument ${argv[index]}: there are --fast and --out DIR`)
  }
  return { fast, out }
}

/** Throws when the addon would not load where the C library is the oldest that is promised. */
function checkLibcVersion(addon) {
  const wanted = run('objdump', ['-p', addon]).match(/GLIBC_\d+\.\d+/g) ?? []
  const newer = wanted.filter((name) => {
    const [major, minor] = name.slice('GLIBC_'.length).split('.').map(Number)
    return major > LIBC_VERSION_MAX[0] || (major === LIBC_VERSION_MAX[0] && minor > LIBC_VERSION_MAX[1])
  })
  if (newer.length > 0)
    throw new Error(`${addon} needs ${newer.join(', ')}: add to native/libc-versions.cmake what brings it`)
}

function copyRuntimeLibraries(folder) {
  mkdirSync(folder, { recursive: true })
  for (const name of RUNTIME_LIBRARIES) {
    const path = run('c++', [`-print-file-name=${name}`]).trim()
    if (!existsSync(path)) throw new Error(`the compiler has no ${name}`)
    copyFileSync(realpathSync(path), join(folder, name))
  }
}

const { fast, out } = readArguments(process.argv.slice(2))
const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const name = `swarm-${version}-${process.platform}-${process.arch}`
const archive = join(out, `${name}.tar.xz`)
const size = inStagingFolder(name, (folder) => {
  checkLibcVersion(join(root, 'dist', 'native', 'swarm_codec.node'))
  copyProgram(folder)
  copyNode(join(folder, 'node'))
  copyRuntimeLibraries(join(folder, 'runtime'))
  for (const file of ['LICENSE', 'README.md', 'CHANGELOG.md']) copyFileSync(join(root, file), join(folder, file))
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ name: 'swarm', version, type: 'module', license })}\n`,
  )
  return writeArchive(folder, archive, fast ? 1 : 9, fast ? FAST_ARCHIVE_BYTES_MAX : ARCHIVE_BYTES_MAX)
})
const checksum = createHash('sha256').update(readFileSync(archive)).digest('hex')
writeFileSync(`${archive}.sha256`, `${checksum}  ${basename(archive)}\n`)
console.log(`${archive}: ${size} MiB, sha256 ${checksum}`)
