// Loaded into a process before its program (--import): how busy is its event loop? Written to the file LOOP_WATCH_FILE when it exits:
// one line for each sample, [wall clock ms, ms that the loop was active so far]. Only sums, so that watching costs little.

import { writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

const SAMPLE_MS = 10
const path = process.env.LOOP_WATCH_FILE
if (path === undefined) throw new Error('LOOP_WATCH_FILE names no file')
const samples = []
const sample = () => {
  samples.push([performance.timeOrigin + performance.now(), performance.eventLoopUtilization().active])
}
setInterval(sample, SAMPLE_MS).unref()
process.on('exit', () => writeFileSync(path, samples.map((each) => JSON.stringify(each)).join('\n')))
