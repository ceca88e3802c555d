// What a run takes over from the disk, and that it never takes over too much.

import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isSwarmError } from '../../src/base/errors.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { type LocalSnapshot, openTestCodec, RestoreRun, snapshotOf } from '../support/local-snapshot.ts'
import { assertSameTree, makeBlobs, noise } from '../support/trees.ts'

const MIB = 1024 * 1024

describe('what is already on the disk', () => {
  let folder = ''
  let source = ''
  let copy = ''
  let codec: Codec
  let snapshot: LocalSnapshot

  before(async () => {
    codec = openTestCodec()
  })

  beforeEach(async () => {
    folder = await mkdtemp(`${tmpdir()}/swarm-scan-`)
    source = `${folder}/source`
    copy = `${folder}/copy`
    await makeBlobs(source, { 'a.bin': 3, 'c.bin': 2, 'small/1': 0.2, 'small/2': 0.3 })
    // Its second chunk is the first one of a.bin.
    const first = (await readFile(`${source}/a.bin`)).subarray(0, MIB)
    await writeFile(`${source}/b.bin`, Buffer.concat([noise(MIB, 77), first, noise(MIB, 78)]))
    snapshot = await snapshotOf(source, codec)
  })

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  after(async () => {
    await codec.close()
  })

  async function complete(): Promise<void> {
    await (await RestoreRun.start(snapshot, copy)).finish()
    await assertSameTree(source, copy)
  }

  async function again(rehash = false): Promise<RestoreRun> {
    return RestoreRun.start(snapshot, copy, rehash)
  }

  it('D4: a run that is killed after a commit goes on behind it', async () => {
    const first = await again()
    await first.store(3)
    await first.writer.commit()
    await first.store(2)
    await first.kill()
    const second = await again()
    assert.equal(second.missing.length, snapshot.manifest.chunks.count - 3)
    assert.ok(second.scanned.resumedBytes >= 2.5 * MIB)
    await second.finish()
    await assertSameTree(source, copy)
  })

  it('a complete tree needs nothing', async () => {
    await complete()
    const second = await again()
    assert.deepEqual(second.missing, [])
    assert.equal(second.scanned.resumedBytes, snapshot.manifest.rawBytes)
    await second.finish()
    await assertSameTree(source, copy)
  })

  it('D4: killed between journal and final names, it gives the names and needs nothing', async () => {
    await complete()
    // As before the rename: complete partial files, some already with their final mode.
    const { entries } = snapshot.manifest
    await rm(`${copy}/.swarm/partial`, { recursive: true })
    await mkdir(`${copy}/.swarm/partial`)
    for (let index = 0; index < entries.count; index++) {
      if (entries.type(index) === 'file') {
        await rename(`${copy}/${entries.path(index)}`, `${copy}/.swarm/partial/${index}`)
        await chmod(`${copy}/.swarm/partial/${index}`, 0o444)
      }
    }
    const second = await again()
    assert.deepEqual(second.missing, [])
    await second.finish()
    await assertSameTree(source, copy)
  })

  it('a deleted file costs only its own chunks, and files that share one with it stay whole', async () => {
    await complete()
    await rm(`${copy}/a.bin`)
    const second = await again()
    assert.equal(second.missing.length, 2, 'the shared chunk is read from b.bin')
    await second.finish()
    await assertSameTree(source, copy)
  })

  it('a chunk that must be fetched again does not harm another finished file that has it', async () => {
    await complete()
    await rm(`${copy}/a.bin`)
    // Neither copy of the shared chunk can be used.
    const shared = await readFile(`${copy}/b.bin`)
    await writeFile(`${copy}/b.bin`, shared.fill(0, MIB, MIB + 1))
    const second = await again()
    await second.finish()
    await assertSameTree(source, copy)
  })

  it('D9: what was edited is hashed, and a second kill does not turn missing bytes into right ones', async () => {
    await complete()
    const bytes = await readFile(`${copy}/c.bin`)
    await writeFile(`${copy}/c.bin`, bytes.fill(1, MIB))
    const second = await again()
    assert.equal(second.missing.length, 1)
    await second.kill()
    const third = await again()
    assert.equal(third.missing.length, 1)
    await third.finish()
    await assertSameTree(source, copy)
  })

  it('D9: --verify finds an edit that kept size and time', async () => {
    await complete()
    const { atime } = await stat(`${copy}/c.bin`)
    const bytes = await readFile(`${copy}/c.bin`)
    await utimes(`${source}/c.bin`, atime, 1_000_000)
    snapshot = await snapshotOf(source, codec)
    await (await again()).finish()
    await writeFile(`${copy}/c.bin`, bytes.fill(1, 0, 1))
    await utimes(`${copy}/c.bin`, atime, 1_000_000)
    const trusting = await again()
    assert.equal(trusting.missing.length, 0)
    await trusting.kill()
    const hashing = await again(true)
    assert.equal(hashing.missing.length, 1)
    await hashing.finish()
    await assertSameTree(source, copy)
  })

  it('D8: a truncated or foreign journal costs reading, not fetching', async () => {
    await complete()
    for (const damage of [
      () => truncate(`${copy}/.swarm/journal`, 100),
      () => writeFile(`${copy}/.swarm/journal`, 'x'),
    ]) {
      await damage()
      const run = await again()
      assert.deepEqual(run.missing, [])
      assert.ok(run.scanned.reusedBytes > 0)
      await run.finish()
      await assertSameTree(source, copy)
    }
  })

  it('partial files of another snapshot are not taken for ours', async () => {
    const first = await again()
    await first.store(2)
    await first.writer.commit()
    await first.kill()
    await makeBlobs(source, { 'a.bin': 3, 'b.bin': 3, 'c.bin': 2 })
    await writeFile(`${source}/a.bin`, noise(3 * MIB, 99))
    snapshot = await snapshotOf(source, codec)
    const second = await again()
    assert.equal(second.scanned.resumedBytes, 0)
    await second.finish()
    await assertSameTree(source, copy)
  })

  it('files that end too early or go too far are mended in place', async () => {
    await complete()
    await truncate(`${copy}/a.bin`, 2 * MIB + 5)
    await writeFile(`${copy}/c.bin`, Buffer.concat([await readFile(`${copy}/c.bin`), noise(10, 1)]))
    const run = await again()
    assert.equal(run.missing.length, 1)
    await run.finish()
    await assertSameTree(source, copy)
  })

  it('a state that cannot be used is a disk error and no fault of ours', async () => {
    await complete()
    await rm(`${copy}/.swarm/journal`)
    await mkdir(`${copy}/.swarm/journal`)
    await assert.rejects(again(), (error: unknown) => isSwarmError(error) && error.exitCode === 7)
  })
})
