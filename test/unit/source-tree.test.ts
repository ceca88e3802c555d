import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileSystemCalls } from '../../src/codec/codec.ts'
import { openFileSystemCalls } from '../../src/codec/file-system-calls.ts'
import { SourceTree } from '../../src/node/source-tree.ts'

describe('the tree that is pushed', () => {
  const calls = openFileSystemCalls()
  const never = new AbortController().signal
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'swarm-source-tree-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  /** A folder with a file in it for each path. */
  function fill(...paths: readonly string[]): void {
    for (const path of paths) {
      mkdirSync(join(root, path, '..'), { recursive: true })
      writeFileSync(join(root, path), path)
    }
  }

  it('has its entries in byte order of paths, not of the parts of paths', async () => {
    fill('a/x', 'a/y/z', 'a-b/x', 'a.b', 'b/x', 'A', 'a/.swarm')
    symlinkSync('a', join(root, 'a0'))
    const { entries } = await SourceTree.list(root, calls, never)
    const paths = entries.map(({ path }) => path.toString())
    assert.deepEqual(paths, 'A a a-b a-b/x a.b a/.swarm a/x a/y a/y/z a0 b b/x'.split(' '))
    assert.equal(entries.at(9)?.target.toString(), 'a')
  })

  it('is listed several folders ahead, and not all of them', async () => {
    fill(...Array.from({ length: 40 }, (_, index) => `folder-${index}/file`))
    let underWay = 0
    let most = 0
    const counted: FileSystemCalls = {
      ...calls,
      async listFolder(path) {
        most = Math.max(most, ++underWay)
        try {
          return await calls.listFolder(path)
        } finally {
          underWay--
        }
      },
    }
    const { entries } = await SourceTree.list(root, counted, never)
    assert.equal(entries.length, 80)
    assert.equal(most, 5)
  })

  it('is refused for the first folder that cannot be listed, whatever becomes of those that were begun ahead', async () => {
    fill('a/x', 'b/x', 'c/x', 'd/x')
    const refusing: FileSystemCalls = {
      ...calls,
      async listFolder(path) {
        if (/[bcd]$/.test(path.toString())) throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
        return calls.listFolder(path)
      },
    }
    await assert.rejects(SourceTree.list(root, refusing, never), { code: 'sourceChanged', message: /\/b: EACCES/ })
  })

  it('reads pieces that could not be read with the others alone, each to its place', async () => {
    fill('a', 'bb', 'ccc', 'dddd')
    let refused = 0
    const failing: FileSystemCalls = {
      ...calls,
      // As if the second of what is asked for could not be read, as long as there is one.
      async readFiles(parts, raw, above) {
        const readable = parts.slice(0, 1)
        if (parts.length > 1) refused++
        return (await calls.readFiles(readable, raw, above)) ?? (parts.length > 1 ? 1 : undefined)
      },
    }
    const tree = await SourceTree.list(root, failing, never)
    const raw = Buffer.alloc(10)
    const pieces = [0, 1, 2, 3].map((file) => ({ file, offset: 0, length: file + 1 }))
    await tree.readPieces(pieces, raw)
    assert.equal(raw.toString(), 'abbcccdddd')
    assert.equal(refused, 2)
  })
})
