// npm run bench:gpu-join [-- --bytes N]: how long does a join of made-up bf16 weights take from a source on this machine, decoding
// with a GPU and with the processor? Both trees are compared with the source's, byte by byte. Folders lie in the system's for
// temporary files and are removed.
import { spawn } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, createReadStream, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { root } from '../../test/gpu/gpu-tools.mjs'

const swarm = join(root, 'dist', 'swarm')
const BYTES_DEFAULT = 5_000_000_000
const BLOCK_BYTES = 8 * 2 ** 20
/** Two joins and a seed of that many bytes take far less. */
const STEP_TIMEOUT_MS = 300_000
const DEVICES = ['cpu', 'cuda']

/** Upper bytes of bf16 elements that are normally distributed, of which the lower bytes are nearly even. */
function makeUpperBytes(count) {
  const element = new Float32Array(1)
  const bytes = new Uint8Array(element.buffer)
  return Uint8Array.from({ length: count }, () => {
    element[0] = 0.02 * Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
    return bytes[3]
  })
}

function writeWeights(path, total) {
  const upper = makeUpperBytes(BLOCK_BYTES / 2)
  const block = new Uint8Array(BLOCK_BYTES)
  const file = openSync(path, 'w')
  for (let written = 0; written < total; written += block.length) {
    randomFillSync(block)
    for (let element = 0; element < upper.length; element++) block[2 * element + 1] = upper[element]
    writeSync(file, block, 0, Math.min(block.length, total - written))
  }
  closeSync(file)
}

async function hashOf(path) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: BLOCK_BYTES }), hash)
  return hash.digest('hex')
}

/** Starts swarm; `onEvent` gets its events. */
function startSwarm(args, onEvent, env = {}) {
  const child = spawn(swarm, [...args, '--json', '--listen', '/ip4/127.0.0.1/tcp/0'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: STEP_TIMEOUT_MS,
  })
  createInterface(child.stdout).on('line', (line) => onEvent(JSON.parse(line)))
  return { child, ended: new Promise((resolve) => child.on('close', (code) => resolve(code ?? -1))) }
}

/** Seeds `folder` until the process is stopped. Resolves with its ticket. */
async function seed(folder, state, device) {
  const started = performance.now()
  let source
  const ticket = await new Promise((resolve, reject) => {
    source = startSwarm(['seed', folder, 'weights', '--state', state, '--device', device], (event) => {
      if (event.type === 'listening') resolve(event.ticket)
    })
    source.ended.then((code) => reject(new Error(`swarm seed --device ${device} ended with ${code}`)))
  })
  return { ...source, ticket, seconds: (performance.now() - started) / 1e3 }
}

async function measureJoin(ticket, folder, device) {
  let ready
  const run = startSwarm(
    ['join', '-', folder, '--device', device, '--linger', '0s'],
    (event) => {
      if (event.type === 'ready') ready = event
    },
    { SWARM_TICKET: ticket },
  )
  const code = await run.ended
  if (code !== 0 || ready === undefined) throw new Error(`swarm join --device ${device} ended with ${code}`)
  return ready
}

async function runBench(bytes) {
  const work = mkdtempSync(join(tmpdir(), 'swarm-gpu-join-'))
  const children = []
  try {
    const folder = join(work, 'source')
    mkdirSync(folder)
    writeWeights(join(folder, 'weights.bin'), bytes)
    const expected = await hashOf(join(folder, 'weights.bin'))
    for (const device of DEVICES) {
      const source = await seed(folder, join(work, `state-${device}`), device)
      children.push(source)
      console.log(
        `seed --device ${device}: ${(bytes / 1e9).toFixed(1)} GB encoded and hashed in ${source.seconds.toFixed(1)} s`,
      )
      const target = join(work, `joined-${device}`)
      const ready = await measureJoin(source.ticket, target, device)
      source.child.kill('SIGTERM')
      await source.ended
      const isSame = (await hashOf(join(target, 'weights.bin'))) === expected
      console.log(
        `join --device ${device}: ready after ${ready.seconds.toFixed(1)} s, ${(bytes / 1e9 / ready.seconds).toFixed(2)} GB/s, ` +
          `ratio ${(ready.bytes.raw / ready.bytes.encoded).toFixed(3)}, decoded by ${ready.device} (${ready.codecPath}); ` +
          `tree ${isSame ? 'identical' : 'DIFFERENT'}`,
      )
      if (!isSame) return 1
      rmSync(target, { recursive: true })
    }
    return 0
  } finally {
    for (const { child } of children) child.kill('SIGTERM')
    rmSync(work, { recursive: true, force: true })
  }
}

const at = process.argv.indexOf('--bytes')
process.exitCode = await runBench(at === -1 ? BYTES_DEFAULT : Number(process.argv[at + 1]))
