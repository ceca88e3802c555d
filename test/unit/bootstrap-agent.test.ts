// What runs on a host: joins that are started once, found again, and told of; several agents at once, and several machines with one home.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { parseObject } from '../../src/base/json-line.ts'
import type { JoinJob } from '../../src/bootstrap/agent.ts'
import { LINE_MARK } from '../../src/bootstrap/ssh.ts'
import { useFolder } from '../support/cli.ts'

const CHILD = new URL('../support/agent-child.ts', import.meta.url).pathname
const ARGS = ['--disable-warning=ExperimentalWarning', CHILD]
/** Stands in for swarm join: says who it is, is ready when the file that it is given is there, and ends when that is gone. */
const JOIN = `import { existsSync } from 'node:fs'
const told = (type) => console.log(JSON.stringify({ type, pid: process.pid, filler: 'x'.repeat(20_000) }))
told('progress')
const [, , go] = process.argv
let ready = false
const watch = setInterval(() => {
  if (!ready && existsSync(go)) { ready = true; told('ready') }
  if (ready && !existsSync(go)) clearInterval(watch)
}, 20)
`

interface Agent {
  readonly child: ChildProcess
  /** The lines for the other side, when it has ended. */
  readonly ended: Promise<Record<string, unknown>[]>
}

describe('the agent on a host', function () {
  this.timeout(60_000)
  const folder = useFolder()
  const runs = `${folder}/runs`
  const go = `${folder}/go`

  before(() => writeFileSync(`${folder}/join.mjs`, JOIN))

  /** Resolves when it waits for its job. */
  async function agent(wrapper: readonly string[] = []): Promise<Agent> {
    const [program = '', ...args] = [...wrapper, process.execPath, ...ARGS, `${folder}/join.mjs`]
    const child = spawn(program, args, { stdio: 'pipe' })
    let said = ''
    child.stdout.on('data', (piece) => {
      said += String(piece)
    })
    const ended = once(child, 'close').then(() => {
      const lines = said.split('\n').filter((line) => line.startsWith(LINE_MARK))
      return lines.map((line) => parseObject(line.slice(LINE_MARK.length)) ?? {})
    })
    await once(child.stderr, 'data')
    return { child, ended }
  }

  function give({ child }: Agent, directory: string, root = 'ab'): void {
    const job: JoinJob = { kind: 'join', runs, directory, root, args: [go], env: { SECRET: 'secret' } }
    child.stdin?.write(`${JSON.stringify(job)}\n`)
  }

  const folders = (): string[] => readdirSync(runs)

  /** Ends the joins that were ready. */
  const release = (): void => rmSync(go, { force: true })

  it('lets two that start at the same moment each tell of a join, without a torn line', async () => {
    const pair = await Promise.all([agent(), agent()])
    for (const each of pair) give(each, '/data/one')
    writeFileSync(go, '')
    for (const lines of await Promise.all(pair.map(({ ended }) => ended))) {
      assert.deepEqual(
        lines.map(({ type }) => type),
        ['progress', 'ready'],
      )
      assert.equal(lines[0]?.['pid'], lines[1]?.['pid'], 'both are of one join')
    }
    for (const name of folders()) {
      const log = readFileSync(`${runs}/${name}/join.jsonl`, 'utf8').trim().split('\n')
      const { pid } = JSON.parse(readFileSync(`${runs}/${name}/run.json`, 'utf8'))
      assert.deepEqual(
        log.map((line) => parseObject(line)?.['pid']),
        [pid, pid],
      )
      assert.equal(statSync(`${runs}/${name}/join.jsonl`).mode & 0o077, 0)
      assert.ok(!readFileSync(`${runs}/${name}/run.json`, 'utf8').includes('secret'))
    }
  })

  it('finds a join that runs, refuses another snapshot there, and forgets joins that have ended', async () => {
    const before = folders().length
    const first = await agent()
    give(first, '/data/two')
    assert.equal((await first.ended).at(-1)?.['type'], 'ready')
    const second = await agent()
    give(second, '/data/two')
    assert.equal((await second.ended).at(-1)?.['pid'], (await first.ended).at(-1)?.['pid'])
    const other = await agent()
    give(other, '/data/two', 'cd')
    assert.equal((await other.ended).at(-1)?.['code'], 'destinationLocked')
    assert.equal(folders().length, before + 1)
    release()
    // Until the join is gone, another snapshot is refused.
    for (let code: unknown = 'destinationLocked'; code === 'destinationLocked'; ) {
      const next = await agent()
      writeFileSync(go, '')
      give(next, '/data/two', 'cd')
      code = (await next.ended).at(-1)?.['code']
      if (code === 'destinationLocked') release()
    }
    assert.equal(folders().length, before + 1)
  })

  it('takes no join of another machine that has the same home folder for its own', async function () {
    if (process.getuid?.() !== 0) this.skip()
    const here = await agent()
    give(here, '/data/three')
    const there = await agent(['unshare', '--uts', 'sh', '-c', 'hostname other-machine; exec "$@"', 'sh'])
    give(there, '/data/three', 'cd')
    const [mine, theirs] = await Promise.all([here.ended, there.ended])
    assert.deepEqual([mine.at(-1)?.['type'], theirs.at(-1)?.['type']], ['ready', 'ready'])
    assert.notEqual(mine.at(-1)?.['pid'], theirs.at(-1)?.['pid'])
  })

  after(release)
})
