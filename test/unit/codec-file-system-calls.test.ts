// Times to the nanosecond and syncfs, on real files.

import assert from 'node:assert/strict'
import { closeSync, lstatSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
})
