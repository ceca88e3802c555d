// A cluster whose hosts are folders of this machine: an ssh that runs what it is given here, and a program that plays the one on a host.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { mock } from 'node:test'
import { offeredUrls } from '../../src/bootstrap/agent-words.ts'
import { bringUpCluster, type ClusterInit, type ClusterOutcome } from '../../src/bootstrap/cluster.ts'
import type { HostState } from '../../src/bootstrap/host-state.ts'
import { parseHosts } from '../../src/bootstrap/hosts-file.ts'
import { type PackageFile, readPackageFile } from '../../src/bootstrap/own-package.ts'
import { Ssh } from '../../src/bootstrap/ssh.ts'
import { useFolder } from '../support/cli.ts'

const SOMEBODY_ELSE = 12_345
/** Longer than an offer is waited for. */
const OFFER_MS = 60_000

/** Says what the real one says on a host, as far as a cluster listens. */
const PROGRAM = `#!/bin/sh
IFS= read -r job
echo
case $job in
*'"kind":"offer"'*) [ -e "$HOME/mute" ] || printf 'swarm1 {"type":"offering","port":4002,"addresses":[]}\\n' ;;
*) printf 'swarm1 {"type":"ready"}\\n'; exit 0 ;;
esac
cat >/dev/null
`
/** ssh ... -- HOST COMMAND. A host may have a file \`before\`, which is run first. */
const FAKE_SSH = `#!/bin/sh
while [ "$1" != -- ]; do [ "$1" != -V ] || exit 0; shift; done
host=\${2##*@}
HOME=$(dirname "$0")/$host
export HOME
mkdir -p "$HOME"
if [ -e "$HOME/before" ]; then . "$HOME/before"; fi
exec sh -c "$3"
`

describe('a cluster', () => {
  const folder = useFolder()
  let file: PackageFile

  before(async () => {
    mkdirSync(`${folder}/made/swarm-1`, { recursive: true })
    writeFileSync(`${folder}/made/swarm-1/swarm`, PROGRAM, { mode: 0o755 })
    const archive = `${folder}/swarm-1-linux-${process.arch}.tar.gz`
    execFileSync('tar', ['-C', `${folder}/made`, '-czf', archive, 'swarm-1'])
    file = await readPackageFile(archive)
    writeFileSync(`${folder}/ssh`, FAKE_SSH, { mode: 0o755 })
  })

  /** What a login on that host runs first. */
  function onLogin(host: string, script: string): void {
    mkdirSync(`${folder}/${host}`, { recursive: true })
    writeFileSync(`${folder}/${host}/before`, script)
  }

  function bringUp(names: readonly string[], changes: Partial<ClusterInit> = {}): Promise<ClusterOutcome> {
    return bringUpCluster({
      hosts: parseHosts(names.join('\n'), 'hosts'),
      ssh: new Ssh([`${folder}/ssh`]),
      package: file,
      directory: 'data',
      prefix: undefined,
      root: 'ab',
      rawBytes: undefined,
      joinArgs: (directory) => ['join', directory],
      env: {},
      parallel: 8,
      packagePort: 4002,
      changed: () => undefined,
      signal: new AbortController().signal,
      ...changes,
    })
  }

  function failure(state: HostState | undefined): { code: string; message: string; cure: string } {
    assert.ok(state?.stage === 'failed', state?.stage)
    const { code, message, cure } = state.error
    return { code, message, cure }
  }

  it('is ready when every join is, whatever a login prints, and asks no more of what is ready', async () => {
    onLogin('chatty', `printf 'Welcome! \\033]0;me\\007'`)
    const first = await bringUp(['chatty', 'quiet'])
    assert.deepEqual(
      first.states.map(({ stage }) => stage),
      ['ready', 'ready'],
    )
    // What a finished join leaves, on a disk that it has filled.
    mkdirSync(`${folder}/quiet/data/.swarm`)
    writeFileSync(`${folder}/quiet/data/.swarm/ready`, 'ab\n')
    onLogin('quiet', `ulimit -f 0; trap '' XFSZ`)
    const [second] = (await bringUp(['quiet'])).states
    assert.ok(second?.stage === 'ready' && second.already)
  })

  it('takes ~ for the home folder there', async () => {
    await bringUp(['tilde'], { directory: '~/models/one', prefix: '~/programs' })
    assert.deepEqual(readdirSync(`${folder}/tilde`).sort(), ['models', 'programs'])
    assert.ok(existsSync(`${folder}/tilde/programs/${file.id}/swarm`))
  })

  it('says that the disk is full when the program does not fit onto it', async () => {
    // Room for the answers to the first questions, not for the program.
    onLogin(
      'small',
      `trap '' XFSZ; case $3 in *package*) echo 'cat: write error: No space left on device' >&2; ulimit -f 0;; esac`,
    )
    const { code, message, cure } = failure((await bringUp(['small'])).states[0])
    assert.equal(code, 'diskFull')
    assert.match(message, /No space left/)
    assert.match(cure, /--prefix/)
  })

  it('names the ssh that was given, and the port, for a host that does not let us in', async () => {
    onLogin('closed', `echo 'me@closed: Permission denied (publickey).' >&2; exit 255`)
    const { code, cure } = failure((await bringUp(['me@closed:2222'])).states[0])
    assert.equal(code, 'credentialsRefused')
    assert.ok(cure.endsWith(`: ${folder}/ssh -p 2222 me@closed true`), cure)
  })

  it('connects again to a host that was away for some seconds', async () => {
    const back = Math.floor(Date.now() / 1000) + 4
    onLogin('away', `case $3 in *agent*) [ "$(date +%s)" -ge ${back} ] || exit 255 ;; esac`)
    assert.equal((await bringUp(['away'])).states[0]?.stage, 'ready')
  })

  it('runs no program from a folder that belongs to another user', async function () {
    if (process.getuid?.() !== 0) this.skip()
    const prefix = `${folder}/theirs`
    mkdirSync(`${prefix}/${file.id}`, { recursive: true })
    writeFileSync(`${prefix}/${file.id}/installed`, '')
    chownSync(prefix, SOMEBODY_ELSE, SOMEBODY_ELSE)
    const { code, message } = failure((await bringUp(['victim'], { prefix })).states[0])
    assert.equal(code, 'diskPermission')
    assert.match(message, /belongs to another user/)
  })

  it('is not held up by hosts that have the program and cannot tell where they offer it', async () => {
    // Nobody can dial the address of any of these, nor the name.
    const outcome = await bringUp(['one_', 'two_', 'three_', 'four_'])
    assert.ok(outcome.states.every(({ stage }) => stage === 'ready'))
    assert.equal(outcome.packageSends, 4)
  })

  it('is not held up by hosts whose offer hangs', async () => {
    for (const host of ['mute_1', 'mute_2']) {
      onLogin(host, '')
      writeFileSync(`${folder}/${host}/mute`, '')
    }
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      let started = 0
      const outcome = bringUp(['mute_1', 'mute_2', 'late_'], {
        changed: (_, { stage }) => {
          if (stage === 'starting' && ++started === 2) setImmediate(() => mock.timers.tick(OFFER_MS))
        },
        parallel: 2,
      })
      assert.ok((await outcome).states.every(({ stage }) => stage === 'ready'))
    } finally {
      mock.timers.reset()
    }
  })
})

describe('what a host says of its offer', () => {
  it('gives an address for each of its own, IPv6 in brackets, and its name last', () => {
    const [host] = parseHosts('me@[2001:db8::9]:22', 'hosts')
    assert.ok(host !== undefined)
    const line = JSON.stringify({ type: 'offering', port: 4002, addresses: ['10.0.0.1', '2001:db8::1', 'x y'] })
    assert.deepEqual(offeredUrls(line, host, 'token'), [
      'http://10.0.0.1:4002/token',
      'http://[2001:db8::1]:4002/token',
      'http://[2001:db8::9]:4002/token',
    ])
  })
})
