// Nothing is written outside the destination, and nothing is lost that nobody asked to lose.

import assert from 'node:assert/strict'
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isSwarmError } from '../../src/base/errors.ts'
import { openFileSystemCalls } from '../../src/codec/file-system-calls.ts'
import { Destination } from '../../src/restore/destination.ts'
import { makePath } from '../../src/restore/make-path.ts'
import type { Entry } from '../../src/snapshot/manifest.ts'

describe('destination', () => {
  let folder = ''
  let path = ''
  let destination: Destination

  beforeEach(async () => {
    folder = await mkdtemp(`${tmpdir()}/swarm-destination-`)
    path = `${folder}/a/b/copy`
    destination = new Destination(path, openFileSystemCalls())
    await destination.prepare()
    await mkdir(`${folder}/outside`)
    await writeFile(`${folder}/outside/precious`, 'precious')
  })

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  function entry(name: string, change: Partial<Entry> = {}): Entry {
    const facts = { mode: 0o644, mtimeSeconds: -5, mtimeNanos: 123_456_789, size: 1, target: Buffer.alloc(0) }
    return { path: Buffer.from(name), type: 'file', extents: [], ...facts, ...change }
  }

  async function place(name: string, change: Partial<Entry> = {}): Promise<void> {
    await writeFile(destination.partialPath(7), 'x')
    await destination.finishFile(7, entry(name, change))
  }

  async function refused(work: Promise<unknown>): Promise<void> {
    await assert.rejects(work, (error: unknown) => isSwarmError(error) && error.exitCode === 7 && error.cure !== '')
    assert.deepEqual(await readdir(`${folder}/outside`), ['precious'])
    assert.equal(await readFile(`${folder}/outside/precious`, 'utf8'), 'precious')
  }

  it('gives a file its name, mode and time to the nanosecond', async () => {
    await place('deep/er/file', { mode: 0o640 })
    const found = await stat(`${path}/deep/er/file`, { bigint: true })
    assert.equal(found.mode & 0o7777n, 0o640n)
    assert.equal(found.mtimeNs, -5_000_000_000n + 123_456_789n)
  })

  it('M2 M4: a link in the way of a directory is not followed', async () => {
    await symlink(`${folder}/outside`, `${path}/dir`)
    await refused(place('dir/file'))
    await refused(destination.makeDirectory(Buffer.from('dir')))
    await refused(destination.makeSymlink(entry('dir/link', { type: 'symlink', target: Buffer.from('x') })))
  })

  it('M2: a file replaces a link of the same name and leaves its target alone', async () => {
    await symlink(`${folder}/outside/precious`, `${path}/file`)
    await place('file', { mode: 0o600 })
    assert.ok((await lstat(`${path}/file`)).isFile())
    assert.equal(await readFile(`${folder}/outside/precious`, 'utf8'), 'precious')
    assert.equal((await stat(`${folder}/outside/precious`)).mode & 0o777, 0o644)
  })

  it('M2: a partial file that is a link is not written through', async () => {
    await symlink(`${folder}/outside/precious`, destination.partialPath(3))
    await assert.rejects(destination.openPartial(3), { code: 'ELOOP' })
    assert.equal(await readFile(`${folder}/outside/precious`, 'utf8'), 'precious')
  })

  it('M4: a state directory that is a link is refused', async () => {
    await rm(`${path}/.swarm`, { recursive: true })
    await symlink(`${folder}/outside`, `${path}/.swarm`)
    await refused(new Destination(path, openFileSystemCalls()).prepare())
  })

  it('M7: set-user-id, set-group-id and sticky bits are not restored', async () => {
    await place('file', { mode: 0o7755 })
    assert.equal((await stat(`${path}/file`)).mode & 0o7777, 0o755)
  })

  it('a directory with content stands in the way of a file; an empty one does not', async () => {
    await mkdir(`${path}/dir`)
    await place('dir')
    assert.ok((await lstat(`${path}/dir`)).isFile())
    await mkdir(`${path}/full`)
    await writeFile(`${path}/full/own`, 'x')
    await refused(place('full'))
    await refused(destination.makeSymlink(entry('full', { type: 'symlink', target: Buffer.from('x') })))
    assert.deepEqual(await readdir(`${path}/full`), ['own'])
  })

  it('deletes what is in the way when told so, but not through links', async () => {
    const deleting = new Destination(path, openFileSystemCalls(), true)
    await mkdir(`${path}/full`)
    await symlink(`${folder}/outside`, `${path}/full/link`)
    await symlink(`${folder}/outside`, `${path}/dir`)
    await writeFile(deleting.partialPath(7), 'x')
    await deleting.finishFile(7, entry('full'))
    await deleting.makeDirectory(Buffer.from('dir/sub'))
    assert.ok((await lstat(`${path}/full`)).isFile())
    assert.ok((await lstat(`${path}/dir`)).isDirectory())
    assert.deepEqual(await readdir(`${folder}/outside`), ['precious'])
  })

  it('opens a directory that forbids its owner to write', async () => {
    await mkdir(`${path}/closed`, { mode: 0o500 })
    await place('closed/file')
    assert.ok((await stat(`${path}/closed/file`)).isFile())
  })

  it('makes a link once, corrects its target, and leaves a right one alone', async () => {
    const link = (target: string) => entry('link', { type: 'symlink', target: Buffer.from(target) })
    await destination.makeSymlink(link('one'))
    const before = await lstat(`${path}/link`, { bigint: true })
    await destination.makeSymlink(link('one'))
    const after = await lstat(`${path}/link`, { bigint: true })
    assert.equal(after.ino, before.ino)
    assert.equal(after.mtimeNs, -5_000_000_000n + 123_456_789n)
    await destination.makeSymlink(link('two'))
    assert.notEqual((await lstat(`${path}/link`)).size, 0)
  })

  it('D3: a place where no directory can be made is refused at once', async () => {
    for (const impossible of ['/proc/swarm-test', '/proc/swarm-test/deeper', `${folder}/outside/precious/x`]) {
      await refused(new Destination(impossible, openFileSystemCalls()).prepare())
    }
    await assert.rejects(makePath(`${folder}/outside/precious`), { code: 'EEXIST' })
    await makePath(`${folder}/new/new/new`)
    await makePath('/')
  })
})
