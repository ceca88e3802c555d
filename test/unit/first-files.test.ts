// Which files --first means, which chunks they take, and that they get their names as soon as they are whole.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { Bitfield } from '../../src/base/bitfield.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { FirstFiles } from '../../src/node/first-files.ts'
import { type LocalSnapshot, openTestCodec, RestoreRun, snapshotOf } from '../support/local-snapshot.ts'
import { makeBlobs } from '../support/trees.ts'

describe('files that are wanted first', () => {
  let folder = ''
  let source = ''
  let codec: Codec
  let snapshot: LocalSnapshot

  before(async () => {
    codec = openTestCodec()
    folder = await mkdtemp(`${tmpdir()}/swarm-first-`)
    source = `${folder}/source`
    await makeBlobs(source, {
      'big.bin': 2.5,
      'config.json': 0.01,
      'model/config.json': 0.01,
      'model/part-1.bin': 1.5,
      'model/part-2.bin': 2,
      'other.JSON': 0.01,
    })
    await writeFile(`${source}/empty.json`, '')
    await symlink('config.json', `${source}/link.json`)
    snapshot = await snapshotOf(source, codec)
  })

  after(async () => {
    await codec.close()
    await rm(folder, { recursive: true, force: true })
  })

  function find(...patterns: string[]): FirstFiles {
    return new FirstFiles(snapshot.manifest, patterns)
  }

  function names({ entries }: FirstFiles): string[] {
    return [...entries].map((entry) => snapshot.manifest.entries.path(entry).toString())
  }

  it('are those that a pattern of .gitignore names, with case, and no links or directories', () => {
    assert.deepEqual(names(find()), [])
    assert.deepEqual(names(find('*.json')), ['config.json', 'empty.json', 'model/config.json'])
    assert.deepEqual(names(find('/*.json')), ['config.json', 'empty.json'])
    assert.deepEqual(names(find('model')), ['model/config.json', 'model/part-1.bin', 'model/part-2.bin'])
    assert.deepEqual(names(find('model/*', '!*.bin', 'big.*')), ['big.bin', 'model/config.json'])
    assert.deepEqual(names(find('model/part-[2-9].bin')), ['model/part-2.bin'])
    assert.deepEqual(names(find('**/part-1*')), ['model/part-1.bin'])
    assert.deepEqual(names(find('')), [])
  })

  it('name each pattern that matches nothing', () => {
    assert.deepEqual(find('*.json', '*.yaml', 'mode', '!x', 'link.json').unmatched, ['*.yaml', 'mode', 'link.json'])
    for (const odd of ['[', '\\', '(', '{a,b}', '..', '/']) assert.deepEqual(find(odd).unmatched, [odd])
  })

  it('take all their chunks and no others', () => {
    const { manifest } = snapshot
    const first = find('part-1.bin')
    const [entry = -1] = first.entries
    const expected = Array.from({ length: manifest.chunks.count }, (_, chunk) => chunk).filter((chunk) =>
      manifest.places.of(chunk).some((place) => place.entry === entry),
    )
    assert.equal(expected.length, 2)
    assert.deepEqual([...first.chunks], expected)
    assert.equal(find('empty.json').chunks.count, 0)
  })

  it('have arrived once, when all of them are finished', () => {
    const first = find('*.json')
    const finished = new Bitfield(snapshot.manifest.entries.count)
    const all = [...first.entries]
    for (const entry of all.toReversed()) {
      assert.equal(first.arrived(finished), false)
      finished.add(entry)
    }
    assert.equal(first.arrived(finished), true)
    assert.equal(first.arrived(finished), false)
    assert.equal(find('nothing').arrived(Bitfield.full(snapshot.manifest.entries.count)), false)
  })

  it('get their names as soon as they are whole, while others wait for the next commit', async () => {
    const copy = `${folder}/copy`
    const first = find('part-1.bin')
    const run = await RestoreRun.start(snapshot, copy, false, first.entries)
    const others = find('part-2.bin')
    for (const chunk of others.chunks) await run.storeChunk(chunk)
    await run.writer.commitIfDue()
    await assert.rejects(stat(`${copy}/model/part-2.bin`), { code: 'ENOENT' })
    const [one = -1, two = -1] = first.chunks
    await run.storeChunk(one)
    await run.writer.commitIfDue()
    await assert.rejects(stat(`${copy}/model/part-1.bin`), { code: 'ENOENT' }, 'half a file has no name')
    await run.storeChunk(two)
    await run.writer.commitIfDue()
    assert.deepEqual(await readFile(`${copy}/model/part-1.bin`), await readFile(`${source}/model/part-1.bin`))
    assert.ok(first.arrived(run.writer.finished))
    await run.finish()
  })
})
