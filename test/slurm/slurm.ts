// bootstrap slurm on a real Slurm: three nodes in network namespaces run what it prints. npm run test:slurm.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { type Line, number, start, succeed, swarm, text, useFolder } from '../support/cli.ts'
import { inNamespace, Network } from '../support/netns.ts'
import { needPart } from '../support/prerequisites.ts'
import { type Job, Slurm, slurmUnavailable } from '../support/slurm.ts'
import { assertSameTree, describeTree, makeBlobs, makeWorkspace } from '../support/trees.ts'

const runFile = promisify(execFile)
const PACK = join(import.meta.dirname, '../../.ci/pack.mjs')
const NAME = 'team/model'
const MIB = 1024 * 1024
const NODES = ['n1', 'n2', 'n3']
/** n1 is the network's second host; the first has slurmctld. */
const hostOf = (node: string): number => NODES.indexOf(node) + 2
/** So slow that three nodes need longer for the workspace than a scancel takes, on whatever machine. */
const SLOW = ['--join-arg=--limit-store', '--join-arg=1M']
const SUITE_TIMEOUT_MS = 300_000

describe('bootstrap slurm, three nodes of a real Slurm', function () {
  this.timeout(SUITE_TIMEOUT_MS)
  const folder = useFolder()
  const source = `${folder}/source`
  const store = ['--store', `file://${folder}/store`]
  let network: Network
  let slurm: Slurm
  let packed: string
  let encodedBytes: number

  before(async function () {
    needPart(this, 'slurm', slurmUnavailable())
    await makeWorkspace(source)
    await makeBlobs(source, { 'model/a.bin': 40.3 })
    encodedBytes = number(await succeed(['push', source, NAME, '--chunk-size', '1MiB', ...store]), 'bytes.encoded')
    await runFile(process.execPath, [PACK, '--fast', '--out', `${folder}/shared`])
    const name = (await readdir(`${folder}/shared`)).find((file) => file.endsWith('.tar.xz'))
    packed = `${folder}/shared/${name}`
    network = await Network.create(NODES.length + 1)
    slurm = await Slurm.create(network, `${folder}/slurm`, NODES.length)
  })

  after(() => network?.remove())

  /** Where `directory` is on a node; all share one file system. */
  const on = (node: string, directory: string): string => `${folder}/${directory}-${node}/tree`

  /** Submits what the command prints. */
  async function submit(snapshot: string, directory: string, more: string[], command: string[] = []): Promise<Job> {
    const where = ['--package-url', packed, '--package', packed, '--install-dir', `${folder}/package-%n`]
    const options = ['--nodes', `${NODES.length}`, '--join-arg=--json', ...where, ...more]
    const words = command.length === 0 ? [] : ['--', ...command]
    const args = ['bootstrap', 'slurm', snapshot, `${folder}/${directory}-%n/tree`, ...options, ...words]
    const printed = await swarm(args, { json: false })
    assert.equal(printed.code, 0, printed.stderr)
    await writeFile(`${folder}/${directory}.sbatch`, printed.stdout)
    return slurm.submit(`${folder}/${directory}.sbatch`, folder)
  }

  it('restores on every node, also where the port is taken, then runs the command on each', async () => {
    await takePort(network.namespace(hostOf('n2')))
    const script = `echo "$SLURM_JOB_ID with $(ls ${folder}/first-$SLURMD_NODENAME/tree | wc -l)" > ${folder}/ran-$SLURMD_NODENAME`
    const job = await submit(NAME, 'first', store, ['sh', '-c', script])
    const code = await job.ended
    assert.equal(code, 0, await readFile(job.log, 'utf8'))
    const entries = (await readdir(source)).length
    for (const node of NODES) {
      await assertSameTree(source, on(node, 'first'))
      assert.equal(await readFile(`${folder}/ran-${node}`, 'utf8'), `${job.id} with ${entries}\n`)
    }
    const listening = (await lines(job)).filter(({ type }) => type === 'listening').map(({ addrs }) => String(addrs))
    assert.equal(listening.length, NODES.length)
    for (const node of NODES) {
      const address = `/ip4/${network.address(hostOf(node))}/tcp/${node === 'n2' ? 4002 : 4001}`
      assert.ok(
        listening.some((addresses) => addresses.includes(address)),
        `${address} in ${listening.join(' ')}`,
      )
    }
    // How much depends on how long each node installs: a file:// store is so fast that one may be done before another starts.
    const fromStore = sum(await summaries(job), 'bytes.fromStore')
    console.log(`      ${fromStore} bytes left the store for three nodes; the snapshot has ${encodedBytes}`)
  })

  it('ends by scancel, and goes on where it stopped when it is submitted again', async () => {
    const first = await submit(NAME, 'cancelled', [...SLOW, ...store])
    await progress(first, 4 * MIB)
    const peer = `--peer /ip4/${network.address(hostOf('n1'))}/tcp/4001`
    for (const node of NODES) {
      const joins = (await commandLines(network.namespace(hostOf(node)))).filter((line) => line.includes('join --'))
      assert.ok(joins.length > 0, node)
      assert.equal(
        joins.every((line) => line.includes(peer)),
        node !== 'n1',
        joins.join('; '),
      )
    }
    await slurm.cancel(first)
    assert.notEqual(await first.ended, 0)
    for (const node of NODES) {
      assert.ok(!('model/a.bin' in (await describeTree(on(node, 'cancelled')))), `${node} was done before scancel`)
    }
    const again = await submit(NAME, 'cancelled', store)
    assert.equal(await again.ended, 0, await readFile(again.log, 'utf8'))
    for (const node of NODES) await assertSameTree(source, on(node, 'cancelled'))
    const reports = await summaries(again)
    const kept = reports.map((report) => number(report, 'bytes.fromSelf'))
    const fetched = reports.map((report) => number(report, 'bytes.fromStore') + number(report, 'bytes.fromPeers'))
    console.log(`      kept ${kept.join(', ')} bytes; fetched ${fetched.join(', ')} of ${encodedBytes}`)
    assert.ok(
      kept.some((bytes) => bytes >= 4 * MIB),
      'what the progress told of was kept',
    )
    for (const bytes of fetched) assert.ok(bytes < encodedBytes)
  })

  it('takes a ticket from the file of secrets, and needs no store', async () => {
    const seed = start(['seed', source, NAME, '--state', `${folder}/state`], { namespace: network.namespace(1) })
    const ticket = text(await seed.line('listening'), 'ticket')
    await writeFile(`${folder}/secrets`, `SWARM_TICKET=${ticket}\n`, { mode: 0o600 })
    const job = await submit('-', 'ticket', ['--secrets', `${folder}/secrets`])
    const code = await job.ended
    seed.kill('SIGTERM')
    await seed.ended
    assert.equal(code, 0, await readFile(job.log, 'utf8'))
    for (const node of NODES) await assertSameTree(source, on(node, 'ticket'))
    for (const file of ['ticket.sbatch', `swarm-${job.id}.log`]) {
      assert.ok(!(await readFile(`${folder}/${file}`, 'utf8')).includes(ticket), `the ticket is in ${file}`)
    }
    assert.equal(sum(await summaries(job), 'bytes.fromStore'), 0)
  })

  async function summaries(job: Job): Promise<Line[]> {
    const found = (await lines(job)).filter(({ type }) => type === 'summary')
    assert.equal(found.length, NODES.length)
    return found
  }
})

async function lines(job: Job): Promise<Line[]> {
  return (await readFile(job.log, 'utf8')).split('\n').flatMap(parseLine)
}

/** The JSON lines of a log, which also has words for people. */
function parseLine(line: string): Line[] {
  if (!line.startsWith('{')) return []
  const value: unknown = JSON.parse(line)
  assert.ok(typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string', line)
  return [{ ...value, type: value.type }]
}

/** Resolves when a node of the job has that many bytes. */
async function progress(job: Job, bytes: number): Promise<void> {
  const tail = spawn('tail', ['-n', '+1', '-F', job.log], { stdio: ['ignore', 'pipe', 'ignore'] })
  job.ended.then(() => tail.kill())
  for await (const line of createInterface({ input: tail.stdout })) {
    const [found] = parseLine(line)
    if (found?.type !== 'progress' || found['stage'] !== 'fetching' || number(found, 'rawBytesDone') < bytes) continue
    tail.kill()
    return
  }
  throw new Error(`the job ended before: ${await readFile(job.log, 'utf8')}`)
}

/** Of everything that runs there, with blanks between the words. */
async function commandLines(namespace: string): Promise<string[]> {
  const { stdout } = await runFile('ip', ['netns', 'pids', namespace])
  const pids = stdout.split(/\s+/).filter((pid) => pid !== '')
  // What has ended since has no command line.
  const read = (pid: string): Promise<string> => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return (await Promise.all(pids.map(read))).map((line) => line.replaceAll('\0', ' '))
}

/** Something else listens on 4001 there, until the network is removed. */
async function takePort(namespace: string): Promise<void> {
  const program = "require('node:net').createServer().listen(4001, '0.0.0.0', () => console.log('listening'))"
  const [command, ...args] = inNamespace(namespace, process.execPath, ['-e', program])
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('error', reject)
    child.once('close', () => reject(new Error('nothing listens')))
  })
}

function sum(reports: readonly Line[], path: string): number {
  return reports.reduce((total, report) => total + number(report, path), 0)
}
