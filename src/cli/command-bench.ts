// `swarm bench`: how fast this machine does what a transfer needs. One question per subcommand.

import { availableParallelism, cpus, loadavg } from 'node:os'
import type { Command } from 'commander'
import { BENCH_REPETITIONS, BENCH_SAMPLE_BYTES, type BenchRow, benchCodec } from '../node/bench-codec.ts'
import type { ScalingRow } from '../node/bench-scaling.ts'
import { addBenchDisk, addBenchPeer, addBenchStore } from './command-bench-machine.ts'
import { makeContext } from './context.ts'

export function addBenchCommand(program: Command): void {
  const bench = program.command('bench').description('Measures this machine.')
  addBenchStore(bench)
  addBenchDisk(bench)
  addBenchPeer(bench)
  const codec = bench
    .command('codec')
    .description(
      'Every code path and element type beside memcpy, zstd and lz4, on the same bytes; all results are checked.',
    )
  codec.action(async () => {
    const { output, signal } = makeContext(codec)
    const processor = `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores`
    const load = loadavg()[0] ?? 0
    output.line({ type: 'machine', processor, load })
    output.print(`${processor}, load ${load.toFixed(1)}; raw bytes, 10^9 a second, median (slowest - fastest)`)
    let rows = 0
    await benchCodec({
      sampleBytes: BENCH_SAMPLE_BYTES,
      repetitions: BENCH_REPETITIONS,
      signal,
      found(row) {
        rows++
        output.line({ type: 'row', ...row })
        output.print(describeRow(row))
      },
      scaled(row) {
        output.line({ type: 'scaling', ...row })
        output.print(describeScaling(row))
      },
      skipped(path, reason) {
        output.line({ type: 'skipped', path, reason })
        output.print(`${path}: not measured, ${reason}`)
      },
    })
    output.line({ type: 'summary', command: 'bench codec', rows })
  })
}

function describeRow(row: BenchRow): string {
  const speed = (median: number, [slowest, fastest]: readonly [number, number]): string =>
    `${median.toFixed(2)} (${slowest.toFixed(2)}-${fastest.toFixed(2)})`.padEnd(20)
  const share = row.entropyShare === null ? '' : `  ${(row.entropyShare * 100).toFixed(1)} % of order 0`
  const name = `${row.element.padEnd(15)} ${row.path.padEnd(8)} ${row.codec.padEnd(8)} ${row.threads} thread${row.threads === 1 ? ' ' : 's'}`
  return (
    `${name}  ratio ${row.ratio.toFixed(3).padEnd(7)} encode ${speed(row.encodeGBps, row.encodeSpread)}` +
    ` decode ${speed(row.decodeGBps, row.decodeSpread)}${share}`
  )
}

function describeScaling({ path, codec, threads, encode, decode }: ScalingRow): string {
  const times = (ratio: number): string => `${ratio.toFixed(2)} times`
  const gain = codec === null ? times(encode) : `encode ${times(encode)}, decode ${times(decode)}`
  return `${threads} threads against one, ${path}${codec === null ? '' : ` ${codec}`}: ${gain}`
}
