// npm run pack:gpu: one archive with all that a GPU machine without Node and network needs to run test:gpu, bench:gpu and dist/swarm.
// There: tar xf swarm-gpu.tar.xz && cd swarm-gpu && ./run-gpu.sh
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const staging = join(root, 'build', 'pack')
const target = join(staging, 'swarm-gpu')
const archive = join(root, 'build', 'swarm-gpu.tar.xz')
const ARCHIVE_BYTES_MAX = 40 * 2 ** 20

const FOLDERS = ['dist', 'native', 'protocols/vectors', 'test/gpu', 'test/native', 'bench/gpu']
/** Headers for building the addon again where the packed one needs a newer system library. */
const ADDON_PACKAGES = ['node_modules/node-addon-api', 'node_modules/node-api-headers']
/** What no program loads: of packages, and of what this repository compiled. */
const UNUSED_FILE = /\.(map|md|markdown|d\.[cm]?ts|ts|tsbuildinfo|flow|html)$/
const LICENSE_FILE = /^(licen[cs]e|copying|notice)/i
const UNUSED_FOLDERS = new Set(['test', 'tests', '__tests__', 'src', 'docs', 'example', 'examples', '.github'])

function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8' })
  if (result.status === 0) return result.stdout
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
  throw new Error(`${command} ${args.join(' ')}: ${result.error?.message ?? `exit ${result.status}`}`)
}

/** Folders of the installed packages that dist/lib needs, nested ones too; without Node itself. */
function productionPackages() {
  const lock = JSON.parse(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8'))
  return Object.entries(lock.packages)
    .filter(([path, entry]) => !entry.dev && !entry.devOptional && !/^node_modules\/node-linux-/.test(path))
    .map(([path]) => path)
}

/** Whether a package's own file or folder is loaded by something. */
function isUsed(path, folder) {
  const name = basename(path)
  if (statSync(path).isFile()) return LICENSE_FILE.test(name) || !UNUSED_FILE.test(name)
  if (path === folder) return true
  // Packages inside packages are on the list themselves.
  if (name === 'node_modules') return false
  return !UNUSED_FOLDERS.has(name) || isEntryFolder(folder, path)
}

/** A folder that package.json names, whatever it is called. */
function isEntryFolder(folder, path) {
  const { main, module, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return JSON.stringify([main, module, exports]).includes(`${path.slice(folder.length + 1)}/`)
}

function copyPackages() {
  for (const path of [...productionPackages(), ...ADDON_PACKAGES]) {
    const from = join(root, path)
    cpSync(from, join(target, path), { recursive: true, filter: (file) => isUsed(file, from) })
  }
}

/** Where the launcher looks for it. */
function copyNode() {
  const from = realpathSync(join(root, 'node_modules', '.bin', 'node'))
  const folder = join(target, 'node_modules', `node-${process.platform}-${process.arch}`)
  const to = join(folder, 'bin', 'node')
  mkdirSync(dirname(to), { recursive: true })
  const license = join(dirname(dirname(from)), 'LICENSE')
  if (existsSync(license)) copyFileSync(license, join(folder, 'LICENSE'))
  copyFileSync(from, to)
  chmodSync(to, 0o755)
  run('strip', [to])
}

rmSync(staging, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
for (const folder of FOLDERS) {
  cpSync(join(root, folder), join(target, folder), {
    recursive: true,
    filter: (path) => folder !== 'dist' || !statSync(path).isFile() || !UNUSED_FILE.test(path),
  })
}
copyPackages()
copyNode()
copyFileSync(join(root, 'package.json'), join(target, 'package.json'))
copyFileSync(join(root, '.ci', 'run-gpu.sh'), join(target, 'run-gpu.sh'))
writeFileSync(join(target, 'commit'), run('git', ['describe', '--always', '--dirty']))
run('tar', ['-C', staging, '-cJf', archive, ...readdirSync(staging)], { XZ_OPT: '-9' })
const bytes = statSync(archive).size
console.log(`build/swarm-gpu.tar.xz: ${(bytes / 2 ** 20).toFixed(1)} MiB`)
if (bytes > ARCHIVE_BYTES_MAX) throw new Error(`that is more than ${ARCHIVE_BYTES_MAX / 2 ** 20} MiB`)
