// Makes a fresh clone runnable: dependencies, the repository's own Node, native addon, compiled TypeScript, launcher.
// Each step is skipped while its inputs are unchanged. Built-in modules only: the first run is on the machine's own Node.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stampFile = join(root, 'build', 'setup.json')
const LINE_CHARACTERS = 160
const NOISE_CIPHERS = join(root, '.ci', 'noise-ciphers.mjs')
const started = performance.now()

function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}

function fail(text) {
  say(text)
  process.exit(1)
}

/** Runs a command quietly; its output is shown only when it fails. */
function run(what, command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  if (result.error !== undefined) fail(`${what}: cannot run ${command}: ${result.error.message}`)
  if (result.status !== 0) {
    process.stderr.write(result.stdout + result.stderr)
    fail(`${what} failed (exit ${result.status ?? result.signal}); the lines above say why`)
  }
}

function filesBelow(folder) {
  const found = []
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) found.push(...filesBelow(path))
    else if (entry.isFile()) found.push(path)
  }
  return found.sort()
}

function digest(paths) {
  const hash = createHash('sha256')
  for (const path of paths)
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0')
  return hash.digest('hex')
}

function missing(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error !== undefined
}

const stamps = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {}

/** Runs `work` unless the step's inputs and outputs are as the last successful run left them. */
async function step(name, inputs, output, describe, work) {
  const key = digest(inputs)
  if (stamps[name] === key && existsSync(join(root, output))) return
  const begun = performance.now()
  say(describe)
  await work()
  stamps[name] = key
  mkdirSync(dirname(stampFile), { recursive: true })
  writeFileSync(stampFile, `${JSON.stringify(stamps, null, 2)}\n`)
  say(`  done in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
}

function checkTools() {
  const absent = [
    ...(missing('c++') ? ['g++'] : []),
    ...(missing('cmake') ? ['cmake'] : []),
    ...(missing('make') && missing('ninja') ? ['make'] : []),
  ]
  if (absent.length === 0) return
  say(`the native codec needs a C++ compiler and CMake; missing here: ${absent.join(', ')}`)
  fail(`install them with: sudo apt-get install -y ${absent.join(' ')}   (or your system's packages of the same names)`)
}

function installDependencies() {
  // npm 11 runs no install scripts that we need; every binary comes inside a package that the lock file pins.
  run('npm ci', 'npm', ['ci', '--loglevel=error', '--no-audit', '--no-fund'])
}

/** The repository's Node: npm 10 does not link the binary of an optional platform package, so we do. */
function linkNode() {
  const name = `node-${process.platform}-${process.arch}`
  const binary = join(root, 'node_modules', name, 'bin', 'node')
  const link = join(root, 'node_modules', '.bin', 'node')
  if (!existsSync(binary)) {
    if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
    fail(
      `there is no packaged Node for ${process.platform} ${process.arch}; install Node 24 or later and run this again`,
    )
  }
  if (!lstatSync(link, { throwIfNoEntry: false })) {
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(relative(dirname(link), binary), link)
  }
  return binary
}

function buildNative() {
  checkTools()
  const build = join(root, 'build', 'native')
  run('cmake', 'cmake', ['-S', 'native', '-B', build, '-DCMAKE_BUILD_TYPE=Release'])
  run('native build', 'cmake', ['--build', build, '--target', 'swarm_codec', '--parallel', '2'])
  mkdirSync(join(root, 'dist', 'native'), { recursive: true })
  const target = join(root, 'dist', 'native', 'swarm_codec.node')
  rmSync(target, { force: true }) // never overwrite a file that a running process has mapped
  copyFileSync(join(build, 'swarm_codec.node'), target)
}

/** What the bundle has a use for of node:http and node:https; another one fails the build until it is named here. */
const HTTP_NAMES = ['Agent', 'createServer', 'request']

/**
 * Importing node:http reads each of its properties, and one that nothing here uses loads a second HTTP client: 60 ms of
 * every start with a bucket. In the bundle only HTTP_NAMES are read.
 */
const plainHttp = {
  name: 'plain-http',
  setup(build) {
    build.onResolve({ filter: /^(node:)?https?$/ }, ({ path, kind }) => {
      // `require` gives the module itself, and reads none of it.
      if (kind.startsWith('require')) return undefined
      return { path: path.replace(/^(node:)?/, 'node:'), namespace: 'plain-http' }
    })
    build.onLoad({ filter: /.*/, namespace: 'plain-http' }, ({ path }) => {
      const lines = HTTP_NAMES.map((name) => `export const ${name} = whole.${name}`)
      return {
        contents: `const whole = process.getBuiltinModule('${path}')\n${lines.join('\n')}\nexport default whole`,
      }
    })
  },
}

/**
 * One file with all that every command loads, and some that are loaded when needed: loading 790 modules one by one took
 * half a second of processor time. What has a native part stays a package.
 */
async function bundle() {
  const { build } = await import('esbuild')
  await build({
    entryPoints: [join(root, 'src', 'cli', 'main.ts')],
    outdir: join(root, 'dist', 'lib', 'cli'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    external: ['@napi-rs/blake-hash'],
    plugins: [plainHttp],
    alias: { '@chainsafe/as-chacha20poly1305': NOISE_CIPHERS, '@chainsafe/as-sha256': NOISE_CIPHERS },
    // Names stay, for traces. One character beyond ASCII, in a comment, would double the text that V8 reads.
    minifyWhitespace: true,
    lineLimit: LINE_CHARACTERS,
    // Packages in the older format ask for built-in modules by `require`.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'warning',
  }).catch(() => fail('esbuild failed; the lines above say why'))
}

async function buildTypeScript(node) {
  run('tsc', node, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'])
  rmSync(join(root, 'dist', 'lib'), { recursive: true, force: true })
  await bundle()
  const launcher = join(root, 'dist', 'swarm')
  copyFileSync(join(root, '.ci', 'launcher.sh'), launcher)
  chmodSync(launcher, 0o755)
}

if (!existsSync(join(root, 'node_modules'))) checkTools() // say it before the download, not after
await step(
  'dependencies',
  ['package.json', 'package-lock.json'],
  'node_modules/.package-lock.json',
  'installing dependencies (npm ci)',
  installDependencies,
)
const node = linkNode()
await step(
  'native',
  [...filesBelow('native')],
  'dist/native/swarm_codec.node',
  'building the native codec (CMake)',
  buildNative,
)
await step(
  'typescript',
  [
    ...filesBelow('src'),
    'tsconfig.json',
    'tsconfig.build.json',
    '.ci/launcher.sh',
    '.ci/noise-ciphers.mjs',
    '.ci/setup.mjs',
    'package.json',
    'package-lock.json',
  ],
  'dist/swarm',
  'compiling TypeScript',
  () => buildTypeScript(node),
)
const seconds = (performance.now() - started) / 1000
if (seconds > 2) say(`ready after ${seconds.toFixed(0)} s`)
if (process.argv.includes('--build'))
  say(`dist/swarm is built: ${relative(process.cwd(), join(root, 'dist', 'swarm'))} --help`)
