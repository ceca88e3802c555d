// How soon has `bootstrap ssh` a snapshot on N machines that have nothing, and what leaves the machine that does it? Each host is a network
// namespace with a real sshd and file systems of its own in memory; the snapshot comes from a source on the machine that does it. Usage: --help.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeBfloat16Weights } from '../src/cli/demo-workspace.ts'
import { countParser, parseBytes } from '../src/cli/values.ts'
import { Command, number, text } from '../test/support/cli.ts'
import { Network } from '../test/support/netns.ts'
import { DATA, SshHosts, sshHostsUnavailable } from '../test/support/ssh-hosts.ts'
import { commit, machine } from './provenance.ts'
import { spread, spreadText } from './spread.ts'

const USAGE = `usage: npm run -s bench:bootstrap -- [options]     (needs root, network namespaces and openssh-server)
  --hosts N,N    how many hosts, one run after the other (1,4,8)
  --bytes SIZE   of the snapshot, made-up bf16 weights (256MiB)
  --link RATE    what each machine may send, and receive, bytes per second (125M)
  --rounds N     (3)
  --json         one line a run, and a summary`

const HOSTS_MAX = 64
const ROUNDS_MAX = 100
const SOURCE = 1

interface Run {
  readonly hosts: number
  readonly seconds: number
  readonly sentBytes: number
  readonly packageSends: number
  readonly packageBytesSent: number
}

async function measure(hosts: number, source: string, folder: string, linkBytesPerSec: number): Promise<Run> {
  const network = await Network.create(hosts + 1)
  const servers = await SshHosts.create(network, `${folder}/ssh`)
  const inSource = { namespace: network.namespace(SOURCE) }
  let seed: Command | undefined
  try {
    const numbers = Array.from({ length: hosts }, (_, index) => SOURCE + 1 + index)
    for (const host of [SOURCE, ...numbers]) await network.limitHost(host, linkBytesPerSec)
    await Promise.all(numbers.map((host) => servers.start(host)))
    await writeFile(`${folder}/hosts`, numbers.map((host) => `${network.address(host)}\n`).join(''))
    seed = new Command(['seed', source, '--state', `${folder}/state`], inSource)
    const ticket = text(await seed.line('listening'), 'ticket')
    const before = await network.sentBytes(SOURCE)
    const args = ['bootstrap', 'ssh', '-', `${DATA}/tree`, '--hosts', `${folder}/hosts`, '--ssh', servers.command]
    const ended = await new Command(args, { ...inSource, env: { SWARM_TICKET: ticket } }).ended
    if (ended.code !== 0) throw new Error(`bootstrap ssh ended with ${ended.code}: ${ended.stderr}`)
    return {
      hosts,
      seconds: number(ended.last, 'seconds'),
      sentBytes: (await network.sentBytes(SOURCE)) - before,
      packageSends: number(ended.last, 'packageSends'),
      packageBytesSent: number(ended.last, 'packageBytesSent'),
    }
  } finally {
    seed?.kill('SIGTERM')
    await seed?.ended.catch(() => undefined)
    servers.stop()
    network.remove()
    await rm(`${folder}/ssh`, { recursive: true, force: true })
  }
}

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '1,4,8' },
    bytes: { type: 'string', default: '256MiB' },
    link: { type: 'string', default: '125M' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const unavailable = sshHostsUnavailable()
if (values.help) console.log(USAGE)
else if (unavailable !== undefined) console.log(`skipped: ${unavailable}`)
else {
  const counts = values.hosts.split(',').map(countParser(1, HOSTS_MAX))
  const rounds = countParser(1, ROUNDS_MAX)(values.rounds)
  const linkBytesPerSec = parseBytes(values.link)
  const folder = await mkdtemp(join(tmpdir(), 'swarm-bootstrap-'))
  try {
    await mkdir(`${folder}/source`)
    await writeBfloat16Weights(`${folder}/source/model.safetensors`, parseBytes(values.bytes), 1)
    const runs: Run[] = []
    for (let round = 0; round < rounds; round++) {
      for (const hosts of counts) {
        const run = await measure(hosts, `${folder}/source`, folder, linkBytesPerSec)
        runs.push(run)
        if (values.json) console.log(JSON.stringify({ type: 'bootstrap', ...run }))
      }
    }
    const rows = counts.map((hosts) => {
      const ofThese = runs.filter((run) => run.hosts === hosts)
      const [seconds, sent] = [ofThese.map((run) => run.seconds), ofThese.map((run) => run.sentBytes / 1e6)].map(spread)
      return { hosts, seconds, sentMB: sent, packageSends: Math.max(...ofThese.map((run) => run.packageSends)) }
    })
    const { bytes, link } = values
    if (values.json)
      console.log(JSON.stringify({ type: 'summary', rows, bytes, link, rounds, machine: machine(), commit: commit() }))
    else {
      for (const { hosts, seconds, sentMB, packageSends } of rows) {
        if (seconds === undefined || sentMB === undefined) continue
        console.log(
          `${hosts} hosts  ready after ${spreadText(seconds, 1)} s; ${spreadText(sentMB, 0)} MB left the source, the program ${packageSends} times`,
        )
      }
      console.log(`${bytes} of weights, links of ${link}, ${rounds} rounds; ${machine()}; commit ${commit()}`)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
