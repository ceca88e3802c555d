// What push does about sources that are not plain files at rest.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { fail, LISTEN, swarm, text, useFolder } from '../support/cli.ts'
import { FaultS3 } from '../support/fault-s3.ts'
import { describeTree, makeBlobs } from '../support/trees.ts'

/** A time that can be set again exactly. */
const WHOLE_SECONDS = 1_000_000_000

describe('push of a difficult source', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const store = ['--store', `file://${folder}/store`]
  let server: FaultS3 | undefined

  async function stopServer(): Promise<void> {
    await server?.close()
    server = undefined
  }

  afterEach(stopServer)

  it('D15: a file that cannot be read exits 3, is named, and nothing is published', async () => {
    const source = `${folder}/unreadable`
    await makeBlobs(source, { open: 0.01, closed: 0.01 })
    await chmod(`${source}/closed`, 0)
    await mkdir(`${folder}/own`)
    await chmod(`${folder}/own`, 0o777)
    const own = ['--store', `file://${folder}/own`]
    const error = await fail(3, ['push', source, 'x', ...own], { unprivileged: true })
    assert.match(text(error, 'message'), /closed/)
    assert.match(text(error, 'cure'), /\.swarmignore/)
    await fail(8, ['inspect', 'x', ...own])
    await writeFile(`${source}/.swarmignore`, 'closed\n')
    const { code } = await swarm(['push', source, 'x', ...own], { unprivileged: true })
    assert.equal(code, 0)
  })

  it('D15: a file that grows, disappears or is edited while it is pushed exits 3, and nothing is published', async () => {
    const changes: Record<string, (file: string) => void> = {
      grows: (file) => appendFileSync(file, 'x'),
      disappears: (file) => rmSync(file),
      changesSecretly: (file) => {
        writeFileSync(file, 'x', { flag: 'r+' })
        utimesSync(file, WHOLE_SECONDS, WHOLE_SECONDS)
      },
    }
    for (const [name, change] of Object.entries(changes)) {
      const source = `${folder}/${name}`
      await makeBlobs(source, { 'a.bin': 1, 'z.bin': 1 })
      utimesSync(`${source}/z.bin`, WHOLE_SECONDS, WHOLE_SECONDS)
      server = await FaultS3.start()
      // The change happens while the first chunk is on its way, before the second file is read.
      let isChanged = false
      server.misbehave(({ method, key }) => {
        if (isChanged || method !== 'PUT' || !key.includes('chunks/')) return undefined
        isChanged = true
        return { kind: 'before', run: () => change(`${source}/z.bin`) }
      })
      const env = {
        AWS_ENDPOINT_URL_S3: server.endpoint,
        AWS_ACCESS_KEY_ID: 'KEYID',
        AWS_SECRET_ACCESS_KEY: 'TOPSECRET',
      }
      const args = ['push', source, 'x', '--concurrency', '1', '--codec', 'raw', '--store', 's3://bucket']
      const error = await fail(3, args, { env })
      assert.match(text(error, 'message'), /z\.bin/)
      assert.ok(![...server.objects.keys()].some((key) => key.startsWith('snapshots/')))
      await stopServer()
    }
  })

  it('D16: pipes and sockets are skipped with a warning each', async () => {
    const source = `${folder}/special`
    await makeBlobs(source, { file: 0.01 })
    assert.equal(spawnSync('mkfifo', [`${source}/pipe`]).status, 0)
    const socket: Server = createServer()
    await new Promise<void>((resolve) => socket.listen(`${source}/socket`, resolve))
    socket.unref()
    const { code, lines } = await swarm(['push', source, 'special', ...store])
    assert.equal(code, 0)
    const warnings = lines.filter(({ type }) => type === 'warning').map((line) => text(line, 'message'))
    assert.deepEqual(warnings.map((message) => message.split(' ')[0]).sort(), ['pipe', 'socket'])
    await new Promise((resolve) => socket.close(resolve))
    const joined = await swarm(['join', 'special', `${folder}/special-copy`, ...LISTEN, ...store])
    assert.equal(joined.code, 0)
    assert.deepEqual(Object.keys(await describeTree(`${folder}/special-copy`)), ['file'])
  })

  it('.swarmignore and .swarm stay out', async () => {
    const source = `${folder}/ignoring`
    await makeBlobs(source, {
      'keep.txt': 0.001,
      'skip.log': 0.001,
      'cache/big': 0.001,
      'sub/skip.log': 0.001,
      'sub/keep.log': 0.001,
      '.swarm/journal': 0.001,
      'sub/.swarm/file': 0.001,
    })
    await writeFile(`${source}/.swarmignore`, '# what nobody needs\n*.log\n!keep.log\n/cache/\n')
    await swarm(['push', source, 'ignoring', ...store])
    const { code } = await swarm(['join', 'ignoring', `${folder}/ignoring-copy`, ...LISTEN, ...store])
    assert.equal(code, 0)
    assert.deepEqual(Object.keys(await describeTree(`${folder}/ignoring-copy`)), [
      '.swarmignore',
      'keep.txt',
      'sub',
      'sub/.swarm',
      'sub/.swarm/file',
      'sub/keep.log',
    ])
  })

  it('a push that was interrupted is simply run again and uploads the rest', async () => {
    const source = `${folder}/again`
    await makeBlobs(source, { 'a.bin': 2, 'b.bin': 2 })
    server = await FaultS3.start()
    const env = {
      AWS_ENDPOINT_URL_S3: server.endpoint,
      AWS_ACCESS_KEY_ID: 'KEYID',
      AWS_SECRET_ACCESS_KEY: 'TOPSECRET',
    }
    const args = ['push', source, 'x', '--chunk-size', '1MiB', '--concurrency', '1', '--store', 's3://bucket']
    let puts = 0
    server.misbehave(({ method, key }) => {
      if (method !== 'PUT' || !key.includes('chunks/')) return undefined
      puts++
      return puts === 3 ? { kind: 'status', status: 403, code: 'AccessDenied' } : undefined
    })
    await fail(4, args, { env })
    assert.equal(server.objects.size, 2)
    const { code, last } = await swarm(args, { env })
    assert.equal(code, 0, JSON.stringify(last))
    assert.equal(puts, 5)
  })
})
