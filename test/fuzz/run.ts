// `npm run fuzz -- [--seconds N] [--keep]`: fuzzes the chunk codec; --keep then adds what is new to test/fuzz/corpus. Exits with 1
// when an input crashes, hangs or makes two code paths differ.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildFuzzer, CORPUS, FOUND, type FuzzResult, fuzz, merge, replay, VECTORS, whyNoFuzzer } from './fuzzer.ts'

/** What the repository may hold. */
const KEPT_FILES_MAX = 1000
const KEPT_BYTES_MAX = 1_500_000

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '3600' }, keep: { type: 'boolean', default: false } },
})
const seconds = Number(values.seconds)
if (!Number.isSafeInteger(seconds) || seconds < 0)
  throw new Error(`--seconds ${values.seconds}: expected a whole number`)
const reason = whyNoFuzzer()
if (reason !== undefined) throw new Error(`this machine ${reason}`)

console.log('building the fuzzer')
buildFuzzer()
stopAtCrash(await replay([CORPUS, VECTORS], show))
if (seconds > 0) {
  const fuzzed = await fuzz(seconds, show)
  stopAtCrash(fuzzed)
  console.log(`fuzzed for ${seconds} s: ${fuzzed.executions} executions, no crash`)
}
if (values.keep) await keep()

function show(text: string): void {
  process.stderr.write(text)
}

function stopAtCrash({ crash }: FuzzResult): void {
  if (crash === undefined) return
  console.log(`${crash.file} breaks the codec; to see it again: ${crash.command}`)
  process.exit(1)
}

/** Replaces the corpus by the least that reaches all that it, the vectors and the finds reach; without the vectors themselves. */
async function keep(): Promise<void> {
  const merged = `${FOUND}-merged`
  rmSync(merged, { recursive: true, force: true })
  mkdirSync(merged, { recursive: true })
  for (const name of vectorNames()) copyFileSync(`${VECTORS}/${name}`, `${merged}/${name}`)
  stopAtCrash(await merge(merged, [CORPUS, FOUND], show))
  const vectors = new Set(vectorNames())
  const inputs = readdirSync(merged)
    .filter((name) => !vectors.has(name))
    .map((name) => ({ name, bytes: statSync(`${merged}/${name}`).size }))
    .sort((a, b) => a.bytes - b.bytes)
  for (const name of readdirSync(CORPUS)) if (!name.startsWith('.')) rmSync(`${CORPUS}/${name}`)
  let kept = 0
  let bytes = 0
  for (const input of inputs) {
    if (kept === KEPT_FILES_MAX || bytes + input.bytes > KEPT_BYTES_MAX) break
    writeFileSync(`${CORPUS}/${input.name}`, readFileSync(`${merged}/${input.name}`))
    kept++
    bytes += input.bytes
  }
  console.log(
    `kept ${kept} inputs, ${bytes} bytes, in test/fuzz/corpus; ${inputs.length - kept} larger ones did not fit`,
  )
}

function vectorNames(): string[] {
  return readdirSync(VECTORS).filter((name) => name.endsWith('.chunk'))
}
