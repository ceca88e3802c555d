// Builds test/fuzz/chunk-fuzz.cc with clang's libFuzzer and the sanitizers, and runs it: on what is kept, and on what it makes of that.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const build = `${root}build/fuzz`
const program = `${build}/codec_fuzz`

/** Kept in the repository; `npm run fuzz -- --keep` adds to it. */
export const CORPUS = `${root}test/fuzz/corpus`
/** Chunks of every kind, good and bad: where fuzzing starts. */
export const VECTORS = `${root}protocols/vectors/chunk`
/** What earlier runs on this machine found worth keeping. */
export const FOUND = `${root}build/fuzz-found`
const CRASHES = `${root}build/fuzz-crashes/`

/** Longest input that is made. Longer ones reach little more and take longer; longer seeds are cut. */
const INPUT_BYTES_MAX = 8192
/** One input takes far less than a millisecond. */
const INPUT_TIMEOUT_S = 10
const BUILD_TIMEOUT_MS = 300_000

export interface FuzzResult {
  readonly executions: number
  /** Path of an input that crashes, hangs or makes two code paths differ, relative to the repository, and what shows it. */
  readonly crash: { readonly file: string; readonly command: string } | undefined
  /** The end of what the fuzzer printed. */
  readonly output: string
}

/** Gets what the fuzzer prints, as it comes. */
type Show = (text: string) => void

/** Undefined where this machine can build the fuzzer. */
export function whyNoFuzzer(): string | undefined {
  const source =
    '#include <stdint.h>\nextern "C" int LLVMFuzzerTestOneInput(const uint8_t*, unsigned long) { return 0; }'
  const options = ['-fsanitize=fuzzer,address,undefined', '-x', 'c++', '-', '-o', '/dev/null']
  const tried = spawnSync('clang++', options, { input: source, encoding: 'utf8' })
  if (tried.error !== undefined) return 'lacks clang'
  return tried.status === 0 ? undefined : 'lacks the libFuzzer or the sanitizers of clang'
}

/** Takes up to minutes the first time. */
export function buildFuzzer(): void {
  const configure = [
    '-S',
    'native',
    '-B',
    build,
    '-DSWARM_CODEC_TESTS=ON',
    '-DWITH_CUDA=OFF',
    '-DCMAKE_CXX_COMPILER=clang++',
  ]
  for (const args of [configure, ['--build', build, '--target', 'codec_fuzz', '--parallel', '2']]) {
    const result = spawnSync('cmake', args, { cwd: root, encoding: 'utf8', timeout: BUILD_TIMEOUT_MS })
    assert.equal(result.status, 0, `cmake ${args.join(' ')}\n${result.stdout}${result.stderr}`)
  }
}

/** Runs everything in `folders` once, whole. */
export function replay(folders: readonly string[], show?: Show): Promise<FuzzResult> {
  return run(['-runs=0', `-max_len=${longest(folders)}`, ...folders], show)
}

/** Makes new inputs for `seconds`, from what is kept, the vectors and what was found before; new finds go to FOUND. */
export function fuzz(seconds: number, show?: Show): Promise<FuzzResult> {
  mkdirSync(FOUND, { recursive: true })
  const options = [`-max_total_time=${seconds}`, `-max_len=${INPUT_BYTES_MAX}`]
  return run([...options, FOUND, CORPUS, VECTORS], show)
}

/** Adds to `target` what `folders` have beyond it, smallest first. */
export function merge(target: string, folders: readonly string[], show?: Show): Promise<FuzzResult> {
  return run(['-merge=1', `-max_len=${INPUT_BYTES_MAX}`, target, ...folders], show)
}

async function run(args: readonly string[], show?: Show): Promise<FuzzResult> {
  mkdirSync(CRASHES, { recursive: true })
  const common = [`-timeout=${INPUT_TIMEOUT_S}`, '-print_final_stats=1', `-artifact_prefix=${CRASHES}`]
  // Freed memory that is kept from use for longer finds nothing more here, and fetching other pages takes a tenth of the time.
  const env = { ...process.env, ASAN_OPTIONS: 'quarantine_size_mb=4' }
  const child = spawn(program, [...common, ...args], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'], env })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-1_000_000)
    show?.(text)
  })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  const written = /Test unit written to (\S+)/.exec(output)?.[1]
  assert.ok(status === 0 || written !== undefined, `the fuzzer ended with ${status}\n${output.slice(-4000)}`)
  return {
    executions: Number(/stat::number_of_executed_units:\s*([0-9]+)/.exec(output)?.[1] ?? 0),
    crash:
      written === undefined
        ? undefined
        : { file: relative(root, written), command: `${relative(root, program)} ${relative(root, written)}` },
    output: output.slice(-4000),
  }
}

/** Size of the longest file, so that none is cut. */
function longest(folders: readonly string[]): number {
  let bytes = 1
  for (const folder of folders)
    for (const name of readdirSync(folder)) bytes = Math.max(bytes, statSync(`${folder}/${name}`).size)
  return bytes
}
