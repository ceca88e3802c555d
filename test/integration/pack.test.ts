// The packed file where there is nothing: a root with the C library alone, and, where SWARM_TEST_OLD_ROOT asks for it, the oldest Debian that
// debootstrap can make. FAULTS row B1.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { bareRootUnavailable, makeBareRoot, makeOldDebian, unpackInto } from '../support/bare-root.ts'
import { Command, LISTEN, type Line, text, useFolder } from '../support/cli.ts'
import { needPart } from '../support/prerequisites.ts'
import { assertSameTree, makeWorkspace } from '../support/trees.ts'

const runFile = promisify(execFile)
const PACK = new URL('../../.ci/pack.mjs', import.meta.url).pathname
const PARTS = new URL('../../.ci/pack-parts.mjs', import.meta.url).pathname
const SUITE_TIMEOUT_MS = 300_000

describe('the packed file', function () {
  this.timeout(SUITE_TIMEOUT_MS)
  const folder = useFolder()
  const source = `${folder}/source`
  let archive: string
  let seed: Command
  let ticket: string

  before(async function () {
    needPart(this, 'root', bareRootUnavailable())
    await runFile(process.execPath, [PACK, '--fast', '--out', `${folder}/out`])
    const [name = ''] = readdirSync(`${folder}/out`)
    archive = `${folder}/out/${name}`
    await makeWorkspace(source)
    seed = new Command(['seed', source, 'packed', '--state', `${folder}/state`, ...LISTEN])
    ticket = text(await seed.line('listening'), 'ticket')
  })

  after(async () => {
    seed?.kill('SIGTERM')
    await seed?.ended
  })

  /** Examines the machine and joins the swarm outside, from within a root. */
  async function joinWithin(root: string): Promise<void> {
    const launcher = unpackInto(root, archive)
    const run = async (args: readonly string[]): Promise<Line[]> => {
      const { stdout } = await runFile('chroot', [root, launcher, ...args, '--json'], {
        env: { SWARM_TICKET: ticket, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      })
      return stdout
        .trim()
        .split('\n')
        .map((line): Line => JSON.parse(line))
    }
    const findings = await run(['doctor'])
    const codec = findings.find((line) => line['check'] === 'codec')
    assert.equal(codec?.['status'], 'ok', JSON.stringify(codec))
    const joined = await run(['join', '-', '/tmp/tree', '--linger', '0', ...LISTEN])
    assert.equal(joined.at(-1)?.type, 'summary')
    await assertSameTree(source, `${root}/tmp/tree`)
  }

  it('is one folder with the checksum of its archive beside it', async () => {
    const [sum, name] = readFileSync(`${archive}.sha256`, 'latin1').trim().split('  ')
    assert.equal(sum, createHash('sha256').update(readFileSync(archive)).digest('hex'))
    assert.ok(archive.endsWith(name ?? 'no name'))
    const { stdout } = await runFile('tar', ['-tf', archive])
    const tops = new Set(
      stdout
        .trim()
        .split('\n')
        .map((path) => path.split('/')[0]),
    )
    assert.deepEqual([...tops], [name?.replace('.tar.xz', '')])
  })

  it('is written whole beside what another one that packs is writing', async () => {
    await mkdir(`${folder}/small`)
    await mkdir(`${folder}/small.tar.xz.part`)
    const write = `import { writeArchive } from ${JSON.stringify(PARTS)}; writeArchive(process.argv[1], process.argv[2], 0, 1e6)`
    const args = ['--input-type=module', '-e', write, `${folder}/small`, `${folder}/small.tar.xz`]
    await runFile(process.execPath, args)
    const { stdout } = await runFile('tar', ['-tf', `${folder}/small.tar.xz`])
    assert.equal(stdout, 'small/\n')
    assert.ok(!readdirSync(folder).some((name) => /\d\.part$/.test(name)), 'nothing of it stays')
  })

  it('joins a swarm from a root that has nothing but the C library', async () => {
    makeBareRoot(`${folder}/bare`)
    await joinWithin(`${folder}/bare`)
  })

  // Takes a minute and a mirror of Debian: npm run test:roots.
  const oldest = process.env['SWARM_TEST_OLD_ROOT'] === undefined ? undefined : it
  oldest?.('joins a swarm from the oldest Debian that debootstrap makes', async () => {
    console.log(`      Debian ${await makeOldDebian(`${folder}/old`)}`)
    await joinWithin(`${folder}/old`)
  })
})
