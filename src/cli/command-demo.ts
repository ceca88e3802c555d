// `swarm demo`: the whole job on one machine. A workspace is pushed, one node pulls it alone, then four pull it together,
// each allowed the same rate from the store; the trees are compared byte by byte and the times with the best possible.

import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { type Command, Option } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { bestSeconds } from '../node/bound.ts'
import { compareTrees } from '../node/compare-trees.ts'
import type { TransferReport } from '../node/join-events.ts'
import { type Context, makeContext } from './context.ts'
import { DemoNode } from './demo-node.ts'
import { makeDemoWorkspace } from './demo-workspace.ts'
import { option } from './network-options.ts'
import { countParser, formatBytes, formatSeconds, parseBytes } from './values.ts'

const NODES = 4
const RATE_BYTES_PER_SEC = 8_000_000
const WORKSPACE_MIB = 600
/** Workspace, store, one tree alone and four together. */
const DISK_FACTOR = 8
const SHOW_MS = 500
const PLAIN_SHOW_EVERY = 6

interface DemoFlags {
  readonly nodes: number
  readonly size: number
  readonly rate: number
  readonly keep?: boolean
}

export function addDemoCommand(program: Command): void {
  const command = program
    .command('demo')
    .description('Shows the whole job on this machine: push, one node alone, four nodes together, comparison, figures.')
    .addOption(new Option('--nodes <n>', 'nodes that join together').argParser(countParser(2, 16)).default(NODES))
    .addOption(
      new Option('--size <MiB>', 'size of the workspace').argParser(countParser(16, 20_000)).default(WORKSPACE_MIB),
    )
    .addOption(
      new Option('--rate <rate>', 'bytes per second from the store, each node')
        .argParser(parseBytes)
        .default(RATE_BYTES_PER_SEC, '8M'),
    )
    .addOption(option('--keep', 'keep the files afterwards'))
  command.action(async (flags: DemoFlags) => {
    const context = makeContext(command)
    const folder = await mkdtemp(joinPath(tmpdir(), 'swarm-demo-'))
    try {
      await runDemo(context, folder, flags)
    } finally {
      if (flags.keep === true) context.output.note(`kept: ${folder}`)
      else await rm(folder, { recursive: true, force: true })
    }
  })
}

async function runDemo(context: Context, folder: string, flags: DemoFlags): Promise<void> {
  const { output, signal } = context
  await checkSpace(folder, flags.size)
  const source = `${folder}/workspace`
  output.note(
    `1. making a workspace of ${flags.size} MiB: bf16, fp16 and fp32 tensors, text, small files, links, odd names`,
  )
  await makeDemoWorkspace(source, flags.size / WORKSPACE_MIB)
  const store = context.storeUrl ?? `file://${folder}/store`
  const name = `demo/${Date.now()}`
  output.note(`2. pushing it to ${store}`)
  const pushed = await follow(context, [new DemoNode('push', ['push', source, name, '--store', store])])
  const rate = `${flags.rate}`
  const joining = (directory: string) => [
    'join',
    name,
    `${folder}/${directory}`,
    '--store',
    store,
    '--limit-store',
    rate,
    '--listen',
    '/ip4/127.0.0.1/tcp/0',
  ]
  signal.throwIfAborted()
  output.note(`3. one node alone, ${formatBytes(flags.rate)}/s from the store`)
  const [alone] = await follow(context, [new DemoNode('alone', joining('alone'))])
  signal.throwIfAborted()
  output.note(`4. ${flags.nodes} nodes together, each ${formatBytes(flags.rate)}/s from the store`)
  const names = Array.from({ length: flags.nodes }, (_, index) => `node-${index + 1}`)
  const together = await follow(
    context,
    names.map((node) => new DemoNode(node, joining(node))),
  )
  output.note('5. comparing every tree with the workspace: names, types, modes, times, links, every byte')
  for (const directory of ['alone', ...names]) {
    const difference = await compareTrees(source, `${folder}/${directory}`, signal)
    if (difference === undefined) continue
    throw new SwarmError('integrity', `${directory} differs from the workspace: ${difference}`, {
      cure: 'this is a fault in swarm; please report it',
    })
  }
  showTable(context, flags, pushed[0], alone, together)
}

/** Waits for all, showing them side by side; stops the others when one fails. */
async function follow(context: Context, nodes: readonly DemoNode[]): Promise<TransferReport[]> {
  const { output, signal } = context
  let ticks = 0
  const show = setInterval(() => {
    const line = nodes.map((node) => describe(node, nodes.length > 1)).join('   ')
    if (output.isTerminal) output.draw(`   ${line}`)
    else if (ticks++ % PLAIN_SHOW_EVERY === 0) output.note(`   ${line}`)
  }, SHOW_MS)
  const stop = (): void => {
    for (const node of nodes) node.stop()
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.all(nodes.map((node) => node.done))
  } catch (error) {
    stop()
    await Promise.allSettled(nodes.map((node) => node.done))
    signal.throwIfAborted()
    throw error
  } finally {
    clearInterval(show)
    output.clear()
    signal.removeEventListener('abort', stop)
  }
}

function describe({ name, progress, report }: DemoNode, many: boolean): string {
  if (report !== undefined) return `${name} ready`
  if (progress === undefined || progress.rawBytesTotal === 0) return `${name} starting`
  const share = Math.floor((100 * progress.rawBytesDone) / progress.rawBytesTotal)
  if (!many) return `${name} ${share} % of ${formatBytes(progress.rawBytesTotal)}`
  return `${name} ${share} % (store ${formatBytes(progress.fromStore)}, peers ${formatBytes(progress.fromPeers)})`
}

function showTable(
  context: Context,
  flags: DemoFlags,
  pushed: TransferReport | undefined,
  alone: TransferReport | undefined,
  together: readonly TransferReport[],
): void {
  if (pushed === undefined || alone === undefined) return
  const { output } = context
  const { raw, encoded } = pushed.bytes
  const seconds = transferSeconds(together)
  const aloneSeconds = transferSeconds([alone])
  const bound = bestSeconds({ encodedBytes: encoded, nodes: flags.nodes, originBytesPerSec: flags.rate })
  const storeBytes = together.reduce((sum, report) => sum + (report.store?.readBytes ?? 0), 0)
  const result = {
    nodes: flags.nodes,
    rawBytes: raw,
    encodedBytes: encoded,
    ratio: raw / encoded,
    secondsAlone: aloneSeconds,
    seconds,
    boundSeconds: bound,
    timesBound: seconds / bound,
    storeBytes,
    storeCopies: storeBytes / encoded,
    identical: true,
    codecPath: pushed.codecPath,
  }
  output.line({ type: 'summary', command: 'demo', ...result })
  const rows: [string, string][] = [
    ['one node alone', formatSeconds(aloneSeconds)],
    [`${flags.nodes} nodes, each, all at once (T)`, formatSeconds(seconds)],
    ['best possible (T*)', formatSeconds(bound)],
    ['T / T*', (seconds / bound).toFixed(2)],
    [
      'bytes out of the store',
      `${formatBytes(storeBytes)} = ${(storeBytes / encoded).toFixed(2)} x the encoded snapshot`,
    ],
    [
      'compression',
      `${formatBytes(raw)} -> ${formatBytes(encoded)}, ratio ${(raw / encoded).toFixed(3)} (${pushed.codecPath})`,
    ],
    ['trees', `${flags.nodes + 1} identical to the workspace`],
  ]
  const width = Math.max(...rows.map(([label]) => label.length))
  output.print('')
  for (const [label, value] of rows) output.print(`  ${label.padEnd(width)}  ${value}`)
}

/** From the first request for a chunk by any node to the last file in place on all. */
function transferSeconds(reports: readonly TransferReport[]): number {
  const first = Math.min(...reports.map((report) => report.firstRequestAtMs ?? report.readyAtMs))
  return (Math.max(...reports.map((report) => report.readyAtMs)) - first) / 1000
}

async function checkSpace(folder: string, sizeMib: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const needed = sizeMib * 1024 * 1024 * DISK_FACTOR
  if (bavail * bsize >= needed) return
  throw new SwarmError(
    'diskFull',
    `the demo needs ${formatBytes(needed)} in ${tmpdir()}, ${formatBytes(bavail * bsize)} are free`,
    {
      cure: 'set TMPDIR to a directory with more space, or use --size 100',
    },
  )
}
