// What each bad input leads to: its exit code, one line that says what to do, and nothing wrong on the disk.

import assert from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hashToId } from '../../src/base/hash.ts'
import { isObjectId } from '../../src/base/ids.ts'
import { manifestKey, snapshotKey, swarmKeyKey } from '../../src/snapshot/object-keys.ts'
import { encodeTicket, parseTicket } from '../../src/snapshot/ticket.ts'
import { eachTwo, fail, LISTEN, type Line, start, succeed, swarm, text, useFolder } from '../support/cli.ts'
import { bytes, ENTRIES, type EntryInit, forge } from '../support/forged-manifest.ts'
import { assertSameTree, describeTree, makeBlobs } from '../support/trees.ts'

const NAME = 'team/llama-70b'
const DUMMY_KEYS = { AWS_ACCESS_KEY_ID: 'KEYID', AWS_SECRET_ACCESS_KEY: 'TOPSECRET' }

describe('bad input', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const source = `${folder}/source`
  const storePath = `${folder}/store`
  const store = ['--store', `file://${storePath}`]
  const empty = `${folder}/empty`
  let ticket = ''
  let pushed: Line

  const joining = (snapshot: string, directory: string, ...more: string[]): string[] => [
    'join',
    snapshot,
    `${folder}/${directory}`,
    ...LISTEN,
    ...more,
  ]

  before(async () => {
    await makeBlobs(source, { 'a.bin': 2, 'b.bin': 2.5, small: 0.001 })
    await mkdir(empty)
    pushed = await succeed(['push', source, NAME, '--chunk-size', '1MiB', ...store])
    ticket = text(await succeed(['ticket', NAME, ...store]), 'ticket')
  })

  describe('names and arguments', () => {
    it('S10: an unknown snapshot exits 8 at once and names near ones', async () => {
      const error = await fail(8, joining('team/lama-70b', 'unknown', ...store))
      assert.match(text(error, 'cure'), /team\/llama-70b/)
      await assert.rejects(stat(`${folder}/unknown`), 'no directory is made')
      const other = await fail(8, joining(`team/llama-70b@${'0'.repeat(64)}`, 'unknown', ...store))
      assert.match(text(other, 'cure'), /swarm list/)
    })

    it('C5: usage errors exit 2 with the reason', async () => {
      const cases: [string[], RegExp][] = [
        [['join', 'x', empty, '--limit-store', '5x', ...store], /5x/],
        [['join', 'x', empty, '--device', 'tpu', ...store], /tpu/],
        [['join', 'x', empty, '--memory', '1k', ...store], /memory/],
        [['push', source, 'x', '--concurrency', '0', ...store], /concurrency/],
        [['push', source, 'bad name', ...store], /bad name/],
        [['push', `${folder}/nowhere`, 'x', ...store], /nowhere/],
        [['push', source, 'x'], /store/],
        [['join', 'x', empty], /store/],
        [['list', '--store', 'gs://bucket'], /gs:/],
        [joining(NAME, 'listen', '--listen', 'nonsense', ...store), /nonsense/],
        [joining(NAME, 'peer', '--peer', 'nonsense', ...store), /nonsense/],
        [joining(NAME, 'announce', '--announce', '203.0.113.7:4001', ...store), /203\.0\.113\.7:4001/],
        [joining(NAME, 'announce', '--announce', '/ip4/203.0.113.7', ...store), /no TCP port .*203\.0\.113\.7/],
        [joining(NAME, 'announce', '--announce', '/ip4/203.0.113.7/tcp/0', ...store), /no TCP port .*tcp\/0/],
      ]
      await eachTwo(cases, async ([args, message]) => {
        const error = await fail(2, args)
        assert.match(text(error, 'message'), message)
      })
      assert.deepEqual(await readdir(empty), [])
    })

    it('a hint follows a misspelt command or flag', async () => {
      const [command, flag] = await Promise.all([fail(2, ['jion']), fail(2, ['join', 'x', '--lisen', 'y'])])
      assert.match(text(command, 'message'), /join/)
      assert.match(text(flag, 'message'), /--listen/)
    })

    it('a command that is missing is said to be, and where those are listed', async () => {
      const cases: [string[], RegExp, RegExp][] = [
        [['--quiet'], /no command/, /^swarm --help/],
        [['bench'], /no command/, /^swarm bench --help/],
        [['--color', 'never', 'bootstrap'], /no command/, /^swarm bootstrap --help/],
        [['bench', 'help', 'nosuch'], /no command/, /^swarm bench --help/],
        [['help', 'nosuch'], /does not exist/, /^swarm --help/],
      ]
      await eachTwo(cases, async ([args, message, cure]) => {
        const error = await fail(2, args)
        assert.match(text(error, 'message'), message)
        assert.match(text(error, 'cure'), cure)
      })
    })

    it('G3: --device cuda without a GPU exits 9', async () => {
      await fail(9, joining(NAME, 'cuda', '--device', 'cuda', ...store))
    })

    it('an option whose variable is set to nothing is not given', async () => {
      const env = {
        SWARM_WAIT: '',
        SWARM_DEADLINE: '',
        SWARM_LISTEN: '',
        SWARM_ANNOUNCE: '',
        SWARM_SITE: '',
        SWARM_JSON: '',
      }
      const joined = start(['join', NAME, `${folder}/nothing`, ...store], { env })
      const listening = await joined.line('listening')
      assert.notDeepEqual(listening['addrs'], [])
      assert.equal((await joined.ended).code, 0)
      const { stdout } = await swarm(['list', ...store], { env, json: false })
      assert.doesNotMatch(stdout, /\{/)
    })

    it('a flag without a value can be set in the environment, and 0, false, no and off do not set it', async () => {
      const into = `${folder}/by-variable`
      const ask = (env: Record<string, string>) =>
        swarm(['join', NAME, into, ...LISTEN, ...store], { env, json: false })
      const dry = await ask({ SWARM_DRY_RUN: 'true', SWARM_JSON: 'no' })
      assert.equal(dry.code, 0, dry.stderr)
      assert.doesNotMatch(dry.stdout, /^\{/)
      await assert.rejects(readdir(into))
      const real = await ask({ SWARM_DRY_RUN: '0', SWARM_DELETE: 'False', SWARM_QUIET: 'off' })
      assert.equal(real.code, 0, real.stderr)
      await assertSameTree(source, into)
    })

    it('a --deadline that lies further ahead than a timer can wait does not end a join', async () => {
      const { code, stderr } = await swarm(joining(NAME, 'ample', '--deadline', '30d', ...store))
      assert.equal(code, 0, stderr)
      assert.doesNotMatch(stderr, /Timeout/)
    })

    it('--deadline ends with 11 and a later run goes on', async () => {
      await fail(11, joining(NAME, 'deadline', '--limit-store', '1M', '--deadline', '1500ms', ...store))
      await succeed(joining(NAME, 'deadline', ...store))
      await assertSameTree(source, `${folder}/deadline`)
    })
  })

  describe('the store', () => {
    it('S6: missing credentials exit 4 and name the variables', async () => {
      const error = await fail(4, ['list', '--store', 's3://bucket/x'], { env: { AWS_PROFILE: 'no-such-profile' } })
      assert.match(text(error, 'cure'), /AWS_ACCESS_KEY_ID/)
    })

    it('an unreachable store exits 5 in well under a minute', async () => {
      const env = { ...DUMMY_KEYS, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' }
      const error = await fail(5, joining('x', 'unreachable', '--store', 's3://bucket/x'), { env })
      assert.ok(!JSON.stringify(error).includes('TOPSECRET'))
    }).timeout(45_000)
  })

  describe('the destination', () => {
    it('D3: a destination that cannot be written exits 7', async () => {
      await writeFile(`${folder}/file`, 'x')
      await fail(7, joining(NAME, 'file/below', ...store))
      await fail(7, ['join', NAME, '/proc/swarm-test', ...LISTEN, ...store])
      await mkdir(`${folder}/closed`, { mode: 0o555 })
      const error = await fail(7, joining(NAME, 'closed/x', ...store), { unprivileged: true })
      assert.equal(error['code'], 'diskPermission')
    })

    it('D11: a destination locked by a run of another root exits 10 and names its process', async () => {
      await succeed(['push', empty, 'other', ...store])
      const first = start(joining(NAME, 'locked', '--limit-store', '100k', ...store))
      await first.line('listening')
      const error = await fail(10, joining('other', 'locked', ...store))
      assert.match(text(error, 'message'), /process \d+/)
      await fail(10, joining(NAME, 'locked', '--no-wait', ...store))
      first.kill('SIGKILL')
      await first.ended
    })
  })

  describe('tickets', () => {
    it('garbage, truncated and altered tickets exit 2', async () => {
      const altered = `${ticket.slice(0, 30)}${ticket[30] === 'a' ? 'b' : 'a'}${ticket.slice(31)}`
      await eachTwo(['swarm1', 'swarm1!!!!', `swarm1${'a'.repeat(60)}`, ticket.slice(0, -9), altered], async (bad) => {
        await fail(2, joining(bad, 'ticket'))
      })
      await fail(2, joining('@/nowhere/ticket', 'ticket'))
      await fail(2, joining('-', 'ticket'), { input: 'swarm1abc' })
      await assert.rejects(stat(`${folder}/ticket`))
    })

    it('P14 P15: a ticket with another key or of another swarm exits 4', async () => {
      const seeding = start(['seed', source, '--chunk-size', '1MiB', '--state', `${folder}/seed`, ...LISTEN])
      const good = parseTicket(text(await seeding.line('listening'), 'ticket'))
      const wrongKey = encodeTicket({ ...good, swarmKey: Buffer.alloc(32, 9) })
      const other = parseTicket(ticket)
      const noStore = { ...other, store: undefined }
      const wrongSwarm = encodeTicket({ ...noStore, addresses: good.addresses })
      await Promise.all([fail(4, joining(wrongKey, 'wrong-key')), fail(4, joining(wrongSwarm, 'wrong-swarm'))])
      assert.deepEqual(await describeTree(`${folder}/wrong-key`), {})
      seeding.kill('SIGINT')
      assert.equal((await seeding.ended).code, 0)
    })
  })

  describe('damage in the store', () => {
    /** A store of its own with the same snapshot, and the path of one of its chunk objects. */
    async function damagedStore(name: string): Promise<{ url: string; path: string; objects: string[] }> {
      const path = `${folder}/${name}`
      await cp(storePath, path, { recursive: true })
      const names = await readdir(`${path}/chunks`, { recursive: true })
      const objects = names.filter((found) => isObjectId(found.slice(3))).sort()
      return { url: `file://${path}`, path, objects }
    }

    it('S5: a chunk with one flipped bit exits 6, names its key, and leaves no wrong byte', async () => {
      const { url, path, objects } = await damagedStore('flipped')
      const key = `chunks/${objects[0]}`
      const object = await readFile(`${path}/${key}`)
      object.writeUInt8(object.readUInt8(object.length - 1) ^ 1, object.length - 1)
      await writeFile(`${path}/${key}`, object)
      const error = await fail(6, joining(NAME, 'flipped-copy', '--store', url))
      assert.ok(text(error, 'message').includes(key), text(error, 'message'))
      await assertPart(source, `${folder}/flipped-copy`)
      await rm(`${path}/${key}`)
      await succeed(['push', source, NAME, '--chunk-size', '1MiB', '--store', url])
      const resumed = await succeed(joining(NAME, 'flipped-copy', '--store', url))
      await assertSameTree(source, `${folder}/flipped-copy`)
      assert.equal(resumed['root'], pushed['root'])
    })

    it('S9: a deleted chunk exits 6 alone and lists its key; a peer that has it is enough', async () => {
      const { url, path, objects } = await damagedStore('deleted')
      const key = `chunks/${objects[0]}`
      await succeed(joining(NAME, 'deleted-helper', '--store', url))
      await rm(`${path}/${key}`)
      const error = await fail(6, joining(NAME, 'deleted-copy', '--store', url))
      assert.ok(text(error, 'message').includes(key), text(error, 'message'))
      await assertPart(source, `${folder}/deleted-copy`)
      const helper = start(joining(NAME, 'deleted-helper', '--linger', 'forever', '--store', url))
      await helper.line('ready')
      const summary = await succeed(joining(NAME, 'deleted-copy', '--store', url))
      assert.ok(Number(Object(summary['bytes']).fromPeers) > 0)
      await assertSameTree(source, `${folder}/deleted-copy`)
      helper.kill('SIGINT')
      assert.equal((await helper.ended).code, 0)
    })

    it('M1: a manifest with ../ in a path exits 6 and nothing is written', async () => {
      const path = `${folder}/hostile`
      const entries: EntryInit[] = [{ ...ENTRIES[1], path: bytes('../escaped') }]
      await publishForged(path, forge({ entries }))
      await fail(6, joining('evil', 'victim', '--store', `file://${path}`))
      assert.deepEqual(await describeTree(`${folder}/victim`), {})
      await assert.rejects(stat(`${folder}/escaped`))
    })

    it('M16: a manifest that is not the one its root names exits 6', async () => {
      const path = `${folder}/swapped`
      const honest = forge({})
      await publishForged(path, { ...forge({ head: { rawBytes: 151n } }), root: honest.root })
      await fail(6, joining('evil', 'swapped-copy', '--store', `file://${path}`))
      assert.deepEqual(await describeTree(`${folder}/swapped-copy`), {})
    })

    it('a missing manifest exits 6 and a record from a newer swarm exits 2', async () => {
      const path = `${folder}/records`
      const record = { v: 0, root: 'a'.repeat(64), createdAt: '', files: 1, rawBytes: 1, encodedBytes: 1 }
      await putObject(path, snapshotKey('newer', 1), JSON.stringify({ ...record, v: 7 }))
      await putObject(path, snapshotKey('broken', 1), '{')
      const url = `file://${path}`
      await putObject(path, snapshotKey('gone', 1), JSON.stringify(record))
      await Promise.all([
        fail(2, joining('newer', 'records', '--store', url)),
        fail(6, joining('broken', 'records', '--store', url)),
        fail(6, joining('gone', 'records', '--store', url)),
      ])
    })
  })
})

/** What stands under a final name is right; the rest may be missing. */
async function assertPart(expected: string, actual: string): Promise<void> {
  const right = await describeTree(expected)
  for (const [path, facts] of Object.entries(await describeTree(actual))) {
    if (facts.startsWith('file')) assert.equal(facts, right[path], path)
  }
}

async function publishForged(path: string, forged: ReturnType<typeof forge>): Promise<void> {
  const { head, root, stored } = forged
  await putObject(path, manifestKey(root), head)
  for (const part of stored) await putObject(path, manifestKey(hashToId(part)), part)
  await putObject(path, swarmKeyKey(root), Buffer.alloc(32, 1))
  const record = { v: 0, root, createdAt: new Date(0).toISOString(), files: 1, rawBytes: 150, encodedBytes: 150 }
  await putObject(path, snapshotKey('evil', 1), JSON.stringify(record))
}

async function putObject(path: string, key: string, body: string | Uint8Array): Promise<void> {
  await mkdir(`${path}/${key}`.replace(/\/[^/]*$/, ''), { recursive: true })
  await writeFile(`${path}/${key}`, body)
}
