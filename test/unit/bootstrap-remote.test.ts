// One command on one host, by programs that stand in for ssh.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { parseHosts } from '../../src/bootstrap/hosts-file.ts'
import { type RemoteEnd, Ssh } from '../../src/bootstrap/ssh.ts'
import { useFolder } from '../support/cli.ts'

const HUNG_MS_MAX = 20_000

describe('an ssh', function () {
  this.timeout(HUNG_MS_MAX)
  const folder = useFolder()

  async function run(script: string, idleMsMax?: number): Promise<RemoteEnd & { lines: string[] }> {
    const [host] = parseHosts('me@host:2222', 'hosts')
    assert.ok(host !== undefined)
    writeFileSync(`${folder}/ssh`, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    const lines: string[] = []
    const { signal } = new AbortController()
    const onLine = (line: string): number => lines.push(line)
    const end = await new Ssh([`${folder}/ssh`]).run(host, 'command', {
      signal,
      onLine,
      ...(idleMsMax === undefined ? {} : { idleMsMax }),
    })
    return { ...end, lines }
  }

  it('has ended when it ends, also where something that it started keeps its pipes', async () => {
    const { code, lines } = await run('echo "swarm1 said"; sleep 60 & exit 7')
    assert.deepEqual([code, lines], [7, ['said']])
  })

  it('is ended by force when it is silent for too long and does not end when it is told to', async () => {
    const { code, timedOut } = await run("trap '' TERM; while :; do sleep 1; done", 200)
    assert.deepEqual([code, timedOut], [undefined, true])
  })

  it('may send a character in two pieces', async () => {
    const { lines } = await run("printf 'swarm1 caf\\303'; sleep 0.3; printf '\\251\\n'")
    assert.deepEqual(lines, ['caf\u00e9'])
  })

  it('is asked for no password, no forwarding, and for no other command than ours', async () => {
    const { lines } = await run('for word; do echo "swarm1 $word"; done')
    for (const option of ['BatchMode=yes', 'ClearAllForwardings=yes', 'RemoteCommand=none', 'ForwardAgent=no'])
      assert.ok(lines.includes(option), option)
    assert.deepEqual(lines.slice(-5), ['-p', '2222', '--', 'me@host', 'command'])
  })
})
