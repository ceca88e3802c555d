// bootstrap ssh on real sshds: eight hosts in network namespaces, none with Node. FAULTS rows B1, B2, B6, B7.

import assert from 'node:assert/strict'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { Command, type Ended, type Line, number, text, useFolder } from '../support/cli.ts'
import { Network } from '../support/netns.ts'
import { needPart } from '../support/prerequisites.ts'
import { DATA, SshHosts, sshHostsUnavailable } from '../support/ssh-hosts.ts'
import { assertSameTree, makeBlobs, makeWorkspace } from '../support/trees.ts'

const SOURCE = 1
const HOSTS = [2, 3, 4, 5, 6, 7, 8, 9]
const SUITE_TIMEOUT_MS = 240_000
const HOSTS_READY = 8

describe('bootstrap ssh, eight hosts with a real sshd and without Node', function () {
  this.timeout(SUITE_TIMEOUT_MS)
  const folder = useFolder()
  const source = `${folder}/source`
  const hostsFile = `${folder}/hosts`
  let network: Network
  let hosts: SshHosts
  let seed: Command
  let ticket: string

  before(async function () {
    needPart(this, 'ssh', sshHostsUnavailable())
    await makeWorkspace(source)
    await makeBlobs(source, { 'model/a.bin': 24, 'model/b.bin': 8.5 })
    network = await Network.create(HOSTS.length + 1)
    hosts = await SshHosts.create(network, `${folder}/ssh`)
    const names = HOSTS.map((host) => `${network.address(host)}:22 # host ${host}`)
    await writeFile(hostsFile, `# eight machines\n\n${names.join('\n')}\n`)
    const inSource = { namespace: network.namespace(SOURCE) }
    seed = new Command(['seed', source, 'cluster', '--state', `${folder}/state`], inSource)
    ticket = text(await seed.line('listening'), 'ticket')
  })

  after(async () => {
    seed?.kill('SIGTERM')
    await seed?.ended
    hosts?.stop()
    network?.remove()
  })

  function bootstrap(target: string): Command {
    // What follows -- is the join's, also the --json that Command adds.
    const args = [
      'bootstrap',
      'ssh',
      '-',
      target,
      '--json',
      '--hosts',
      hostsFile,
      '--ssh',
      hosts.command,
      '--',
      '--linger',
      '2s',
    ]
    const env = { SWARM_TICKET: ticket, XDG_CACHE_HOME: `${folder}/cache` }
    return new Command(args, { namespace: network.namespace(SOURCE), env })
  }

  it('tells which hosts failed and why, brings up the others, and the next run mends the failed ones alone', async () => {
    const [down, full, readOnly] = [2, 3, 4] as const
    for (const host of HOSTS) {
      if (host === down) continue
      await hosts.start(host, host === full ? { dataBytes: 4096 } : { dataIsReadOnly: host === readOnly })
    }
    const first = await bootstrap(`${DATA}/tree`).ended
    assert.equal(first.code, 12, first.stderr)
    const failed = new Map(
      hostLines(first)
        .filter((line) => text(line, 'state') === 'failed')
        .map((line) => [text(line, 'host'), line]),
    )
    assert.deepEqual(
      [...failed.keys()].sort(),
      [down, full, readOnly].map((host) => `${network.address(host)}:22`),
    )
    const exits = [down, full, readOnly].map((host) => failed.get(`${network.address(host)}:22`)?.['exit'])
    assert.deepEqual(exits, [5, 7, 7])
    for (const host of HOSTS.slice(3)) await assertSameTree(source, hosts.path(host, `${DATA}/tree`))
    assert.ok(number(first.last, 'exit') === 12)
    for (const host of failed.keys()) assert.ok(text(first.last, 'message').includes(host), 'the last line names it')

    await hosts.start(down)
    await hosts.mend(full)
    await hosts.mend(readOnly)
    const second = await bootstrap(`${DATA}/tree`).ended
    assert.equal(second.code, 0, second.stderr)
    const already = hostLines(second)
      .filter((line) => line['already'] === true)
      .map((line) => text(line, 'host'))
    assert.deepEqual(
      already.sort(),
      HOSTS.slice(3).map((host) => `${network.address(host)}:22`),
    )
    for (const host of HOSTS) await assertSameTree(source, hosts.path(host, `${DATA}/tree`))
  })

  it('brings all eight to identical trees, and this machine sends the program at most twice', async () => {
    // As on new machines.
    for (const host of HOSTS) await rm(hosts.path(host, '/root/.local'), { recursive: true, force: true })
    const before = await network.sentBytes(SOURCE)
    const ended = await bootstrap(`${DATA}/again`).ended
    assert.equal(ended.code, 0, ended.stderr)
    const sent = (await network.sentBytes(SOURCE)) - before
    assert.equal(number(ended.last, 'ready'), HOSTS_READY)
    assert.ok(number(ended.last, 'packageSends') <= 2)
    const from = hostLines(ended).map((line) => text(line, 'installedFrom'))
    assert.equal(from.filter((name) => name === 'this machine').length, number(ended.last, 'packageSends'))
    for (const host of HOSTS) await assertSameTree(source, hosts.path(host, `${DATA}/again`))
    for (const line of hostLines(ended)) {
      const address = text(line, 'host').replace(/:22$/, '')
      assert.match(String(line['addrs']), new RegExp(`/ip4/${address}/tcp/\\d+`), 'where the join listens')
    }
    console.log(
      `      ${(sent / 1e6).toFixed(0)} MB left the source, ${(number(ended.last, 'packageBytesSent') / 1e6).toFixed(0)} of them the program`,
    )
  })

  it('leaves what a join says, its ticket with it, to its own user alone', async () => {
    for (const host of HOSTS) {
      const runs = hosts.path(host, '/root/.local/share/swarm/runs')
      for (const name of await readdir(runs)) {
        for (const path of [`${runs}/${name}`, `${runs}/${name}/join.jsonl`, `${runs}/${name}/run.json`]) {
          assert.equal((await stat(path)).mode & 0o077, 0, path)
        }
        assert.ok(!(await readFile(`${runs}/${name}/run.json`, 'utf8')).includes(ticket))
      }
    }
  })

  it('refuses a hosts file with a line that is no host', async () => {
    await writeFile(`${folder}/bad`, 'good\n-oProxyCommand=x\n')
    const ended = await new Command(['bootstrap', 'ssh', '-', '/x', '--hosts', `${folder}/bad`], {
      env: { SWARM_TICKET: ticket },
    }).ended
    assert.equal(ended.code, 2)
    assert.match(text(ended.last, 'message'), /line 2/)
  })
})

function hostLines(ended: Ended): Line[] {
  return ended.lines.filter(({ type }) => type === 'host')
}
