// Times to the nanosecond and syncfs, on real files.

import assert from 'node:assert/strict'
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReadPart } from '../../src/codec/codec.ts'
import { openFileSystemCalls } from '../../src/codec/file-system-calls.ts'

describe('file system calls', () => {
  const calls = openFileSystemCalls()
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'swarm-calls-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const modifiedNanos = (path: string) => lstatSync(path, { bigint: true }).mtimeNs

  it('sets the time of a file and a directory to the nanosecond, before 1970 as well', () => {
    const file = join(folder, 'naïve name')
    writeFileSync(file, 'x')
    calls.setModifiedTime(Buffer.from(file), 1_700_000_000, 123_456_789)
    assert.equal(modifiedNanos(file), 1_700_000_000_123_456_789n)
    calls.setModifiedTime(Buffer.from(folder), -5, 1)
    assert.equal(modifiedNanos(folder), -4_999_999_999n)
  })

  it('sets the time of a link, not of what it points to', () => {
    const [file, link] = [join(folder, 'file'), join(folder, 'link')]
    writeFileSync(file, 'x')
    symlinkSync('file', link)
    const before = modifiedNanos(file)
    calls.setModifiedTime(Buffer.from(link), 77, 0)
    assert.deepEqual([modifiedNanos(link), modifiedNanos(file)], [77_000_000_000n, before])
  })

  it('says what it could not do to which path', () => {
    const path = Buffer.from(join(folder, 'absent'))
    assert.throws(() => calls.setModifiedTime(path, 1, 0), {
      code: 'diskFailed',
      message: /time of .*absent.*: ENOENT/,
    })
  })

  it('syncs the file system of an open file and reports a closed one', async () => {
    const fd = openSync(folder, 'r')
    await calls.syncFileSystem(fd)
    closeSync(fd)
    await assert.rejects(calls.syncFileSystem(2 ** 30), { code: 'diskFailed', message: /EBADF/ })
  })

  const at = (name: string) => Buffer.from(join(folder, name))

  describe('on many files', () => {
    /** What listing says of a file, as a part to read. */
    async function listedPart(name: string, offset: number, length: number): Promise<ReadPart> {
      const found = (await calls.listFolder(Buffer.from(folder))).find((each) => each.name.toString() === name)
      assert.ok(found !== undefined)
      const { size, changed, modified } = found
      return { path: at(name), offset, length, listed: { size, changed, modified } }
    }

    it('list a folder: types, sizes, times to the nanosecond, names that are no text', async () => {
      writeFileSync(join(folder, 'file'), 'four')
      chmodSync(join(folder, 'file'), 0o640)
      calls.setModifiedTime(at('file'), -5, 123_456_789)
      mkdirSync(join(folder, 'inner'))
      symlinkSync('nowhere', join(folder, 'link'))
      const odd = Buffer.from([...at('odd-'), 0xff, 0xfe])
      writeFileSync(odd, '')
      const listed = await calls.listFolder(Buffer.from(folder))
      assert.deepEqual(
        listed.map(({ name }) => name.toString('latin1')),
        ['file', 'inner', 'link', 'odd-\xff\xfe'],
      )
      for (const { name, mode, size, modified, changed } of listed) {
        const stats = lstatSync(Buffer.concat([at(''), Buffer.from('/'), name]), { bigint: true })
        assert.equal(mode, Number(stats.mode))
        assert.equal(size, Number(stats.size))
        assert.equal(BigInt(modified.seconds) * 1_000_000_000n + BigInt(modified.nanos), stats.mtimeNs)
        assert.equal(BigInt(changed.seconds) * 1_000_000_000n + BigInt(changed.nanos), stats.ctimeNs)
      }
    })

    it('list a folder in the byte order of its names', async () => {
      const names = [
        'z',
        'a',
        'a-',
        'a.b',
        'Z',
        '\xff',
        '\x80',
        'a\x7f',
        ...Array.from({ length: 200 }, (_, n) => `${n * 7919}`),
      ]
      for (const name of names) writeFileSync(Buffer.from(`${folder}/${name}`, 'latin1'), '')
      const listed = await calls.listFolder(Buffer.from(folder))
      assert.deepEqual(
        listed.map(({ name }) => name.toString('latin1')),
        names.toSorted(),
      )
    })

    it('list an empty folder, and say what is wrong with one that is none', async () => {
      assert.deepEqual(await calls.listFolder(Buffer.from(folder)), [])
      await assert.rejects(calls.listFolder(at('absent')), { code: 'ENOENT' })
    })

    it('read parts of files one after the other', async () => {
      writeFileSync(join(folder, 'a'), 'abcdef')
      writeFileSync(join(folder, 'b'), 'ghi')
      const raw = Buffer.alloc(8, '-')
      const parts = [await listedPart('a', 2, 4), await listedPart('b', 0, 3)]
      assert.equal(await calls.readFiles(parts, raw), undefined)
      assert.equal(raw.toString(), 'cdefghi-')
      assert.equal(await calls.readFiles([], raw), undefined)
      const any = { path: at('b'), offset: 1, length: 2, listed: undefined }
      assert.equal(await calls.readFiles([any], raw), undefined)
      assert.equal(raw.toString(), 'hiefghi-')
      assert.equal(await calls.readFiles([{ ...any, length: 3 }], raw), 0)
      const below = { ...any, path: Buffer.from('a') }
      assert.equal(await calls.readFiles([below, { ...below, offset: 4 }], raw, at('')), 0)
      assert.equal(await calls.readFiles([below, { ...below, offset: 4 }], raw, Buffer.from(`${folder}/`)), undefined)
      assert.equal(raw.toString(), 'bcefghi-')
    })

    it('read no file that is not the one that was listed, and say which', async () => {
      const names = ['same', 'other']
      const spoil: Readonly<Record<string, (path: string) => void>> = {
        removed: (path) => rmSync(path),
        longer: (path) => writeFileSync(path, 'longer'),
        'written again': (path) => writeFileSync(path, 'next'),
        'a link': (path) => {
          rmSync(path)
          symlinkSync('same', path)
        },
      }
      for (const [what, change] of Object.entries(spoil)) {
        for (const name of names) writeFileSync(join(folder, name), 'four')
        // Its time is one that no write of this test gives it.
        calls.setModifiedTime(at('other'), 1, 1)
        const parts = await Promise.all(names.map((name) => listedPart(name, 0, 4)))
        change(join(folder, 'other'))
        assert.equal(await calls.readFiles(parts, Buffer.alloc(8)), 1, what)
        rmSync(join(folder, 'other'), { force: true })
      }
    })

    it('write parts of a buffer, to new files and to old ones, also where a crash left one read-only', async () => {
      writeFileSync(join(folder, 'old'), '123456', { mode: 0o444 })
      const raw = Buffer.from('abcdef')
      const parts = [
        { path: at('new'), offset: 2, rawOffset: 0, length: 3 },
        { path: at('old'), offset: 1, rawOffset: 3, length: 3 },
      ]
      assert.equal(await calls.writeFiles(parts, raw), undefined)
      assert.equal(readFileSync(join(folder, 'new'), 'latin1'), '\0\0abc')
      assert.equal(readFileSync(join(folder, 'old'), 'latin1'), '1def56')
      const beyond = [...parts, { path: at('no/where'), offset: 0, rawOffset: 0, length: 1 }]
      assert.equal(await calls.writeFiles(beyond, raw), 2)
      symlinkSync('new', join(folder, 'link'))
      assert.equal(await calls.writeFiles([{ path: at('link'), offset: 0, rawOffset: 0, length: 1 }], raw), 0)
    })

    it('move files with their modes and times, and stop at a directory in the way', async () => {
      for (const name of ['1', '2', '3']) writeFileSync(join(folder, name), name)
      writeFileSync(join(folder, 'first'), 'old')
      mkdirSync(join(folder, 'second'))
      const moves = ['first', 'second', 'third'].map((to, index) => ({
        from: at(`${index + 1}`),
        to: at(to),
        mode: 0o604,
        modified: { seconds: 7, nanos: 8 },
      }))
      assert.equal(await calls.moveFiles(moves), 1)
      assert.equal(readFileSync(join(folder, 'first'), 'latin1'), '1')
      const stats = lstatSync(join(folder, 'first'), { bigint: true })
      assert.deepEqual([Number(stats.mode) & 0o777, stats.mtimeNs], [0o604, 7_000_000_008n])
      assert.deepEqual(readdirSync(folder).sort(), ['2', '3', 'first', 'second'])
    })

    it('refuse rows that do not fit', async () => {
      const part = { path: at('a'), offset: 0, length: 9, listed: undefined }
      await assert.rejects(calls.readFiles([part], Buffer.alloc(8)), TypeError)
      const written = { path: at('a'), offset: 0, rawOffset: 4, length: 5 }
      await assert.rejects(calls.writeFiles([written], Buffer.alloc(8)), TypeError)
    })
  })
})
