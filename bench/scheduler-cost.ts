// How much of a core do a node's decisions take? 65 simulated nodes that know each other and receive about 1.1 GB/s
// each; what their schedulers' steps take on this machine, by node and simulated second.

import { Scheduler } from '../src/swarm/scheduler.ts'
import { chunks, nodes, World } from '../test/sim/world.ts'

const NODES = 65
const CHUNKS = 1000
const CHUNK_BYTES = 8_388_608
/** Bytes per ms: origin 1, uplink 6, downlink 7, in units of what a machine reads from R2. */
const LINKS = { origin: 184_000, up: 6 * 184_000, down: 7 * 184_000 }
const CALIBRATIONS = 1_000_000

let nanoseconds = 0
let steps = 0
const step = Scheduler.prototype.step
Scheduler.prototype.step = function (event, now) {
  const begun = process.hrtime.bigint()
  const actions = step.call(this, event, now)
  nanoseconds += Number(process.hrtime.bigint() - begun)
  steps++
  return actions
}

/** What looking at the clock adds to each step. */
function clockNanoseconds(): number {
  let sum = 0
  for (let round = 0; round < CALIBRATIONS; round++) {
    const begun = process.hrtime.bigint()
    sum += Number(process.hrtime.bigint() - begun)
  }
  return sum / CALIBRATIONS
}

const clock = clockNanoseconds()
const world = new World({
  seed: 1,
  chunkBytes: chunks(CHUNKS, CHUNK_BYTES),
  nodes: nodes(NODES, LINKS),
  blockBytes: 1_048_576,
  limits: { neighboursWanted: NODES - 1 },
})
const result = world.run()
const neighbours = world.nodes.reduce((sum, node) => sum + node.neighbourCount, 0) / NODES
const cpuSeconds = (nanoseconds - steps * clock) / 1e9
const share = cpuSeconds / NODES / (result.ms / 1000)
const bytesPerSec = world.totalBytes / (result.ms / 1000)
console.log(
  JSON.stringify({
    type: 'scheduler-cost',
    nodes: NODES,
    neighbours: Math.round(neighbours),
    gigabytesPerSecond: Number((bytesPerSec / 1e9).toFixed(3)),
    steps,
    microsecondsPerStep: Number(((1e6 * cpuSeconds) / steps).toFixed(2)),
    shareOfCore: Number(share.toFixed(4)),
    shareOfCoreAtGigabytePerSecond: Number(((share * 1e9) / bytesPerSec).toFixed(4)),
  }),
)
