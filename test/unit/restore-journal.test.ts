// The journal's file: what is believed, what is cut off, what is refused.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { isSwarmError } from '../../src/base/errors.ts'
import { Journal } from '../../src/restore/journal.ts'
import { sampleId } from '../support/snapshot-samples.ts'

const ROOT = sampleId(1)
const CHUNKS = 1000

describe('journal', () => {
  let folder = ''
  let path = ''

  beforeEach(async () => {
    folder = await mkdtemp(`${tmpdir()}/swarm-journal-`)
    path = `${folder}/journal`
  })

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  async function write(chunks: readonly number[], root = ROOT): Promise<void> {
    const journal = await Journal.open(path, root, CHUNKS)
    await journal.append(chunks)
    await journal.close()
  }

  async function read(root = ROOT, count = CHUNKS): Promise<{ stored: number[]; resumed: boolean }> {
    const journal = await Journal.open(path, root, count)
    await journal.close()
    return { stored: [...journal.stored], resumed: journal.resumed }
  }

  it('keeps what was appended over several runs', async () => {
    assert.deepEqual(await read(), { stored: [], resumed: false })
    await write([5, 3])
    await write([999, 0])
    assert.deepEqual(await read(), { stored: [0, 3, 5, 999], resumed: true })
  })

  it('D8: believes nothing but whole right records before the first bad one, and writes over the rest', async () => {
    await write(Array.from({ length: 20 }, (_, index) => index))
    const whole = await readFile(path)
    const header = whole.length - 20 * 8
    await fc.assert(
      fc.asyncProperty(fc.nat(20 * 8 - 1), fc.boolean(), fc.integer({ min: 1, max: 255 }), async (at, cut, bits) => {
        const damaged = Buffer.from(whole)
        damaged.writeUInt8(damaged.readUInt8(header + at) ^ bits, header + at)
        await writeFile(path, cut ? whole.subarray(0, header + at) : damaged)
        const sound = Array.from({ length: Math.floor(at / 8) }, (_, index) => index)
        assert.deepEqual(await read(), { stored: sound, resumed: true })
        await write([777])
        assert.deepEqual((await read()).stored, [...sound, 777])
      }),
      { numRuns: 40 },
    )
  })

  it('starts empty for another root, another number of chunks, and a file that is no journal', async () => {
    await write([1, 2])
    assert.deepEqual(await read(ROOT, CHUNKS + 1), { stored: [], resumed: false })
    await write([1, 2])
    assert.deepEqual(await read(sampleId(2)), { stored: [], resumed: false })
    await writeFile(path, Buffer.alloc(500, 7))
    assert.deepEqual(await read(), { stored: [], resumed: false })
    assert.ok((await stat(path)).size < 200, 'foreign bytes are gone')
  })

  it('a record of another snapshot is not believed even behind our header', async () => {
    await write([7])
    const record = (await readFile(path)).subarray(-8)
    await rm(path)
    await write([], sampleId(3))
    const header = await readFile(path)
    await writeFile(path, Buffer.concat([header, record]))
    assert.deepEqual((await read(sampleId(3))).stored, [])
  })

  it('takes records back, and a torn restart leaves nothing wrong', async () => {
    await write([1, 2, 3])
    const journal = await Journal.open(path, ROOT, CHUNKS)
    await journal.restart([2])
    assert.deepEqual([...journal.stored], [2])
    await journal.append([9])
    await journal.close()
    assert.deepEqual((await read()).stored, [2, 9])
    await truncate(path, (await stat(path)).size - 16)
    assert.deepEqual(await read(), { stored: [], resumed: true })
  })

  it('D8: one from a newer swarm is refused and left alone', async () => {
    const text = `swarm-journal 2 ${ROOT} ${CHUNKS}\nwhatever`
    await writeFile(path, text)
    await assert.rejects(
      Journal.open(path, ROOT, CHUNKS),
      (error: unknown) => isSwarmError(error) && error.code === 'unsupportedVersion' && error.cure.includes(path),
    )
    assert.equal(await readFile(path, 'utf8'), text)
  })
})
