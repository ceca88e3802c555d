// Memory for chunks comes in huge pages where there are any, and is like any other.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { chunkMemory } from '../../src/codec/chunk-memory.ts'
import { loadAddon } from '../../src/codec/load-addon.ts'

const MIB = 2 ** 20
const HUGE_PAGES = '/sys/kernel/mm/transparent_hugepage'

/** Mappings of this process for which huge pages were asked. */
function advisedMappings(): number {
  return [...readFileSync('/proc/self/smaps', 'latin1').matchAll(/^VmFlags:.* hg/gm)].length
}

describe('memory for chunks', () => {
  it('is as long as it was asked for, whatever the pages, and writable to its end', () => {
    const allocate = chunkMemory()
    for (const bytes of [1, 65536, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 3 * MIB, 5.5 * MIB, 8 * MIB, 9 * MIB + 5]) {
      const memory = allocate(bytes)
      assert.equal(memory.length, bytes)
      memory.fill(7)
      assert.equal(memory[bytes - 1], 7)
    }
  })

  it('does not overlap other memory', () => {
    const allocate = chunkMemory()
    const memories = Array.from({ length: 16 }, (_, index) => allocate(3 * MIB + index).fill(index))
    for (const [index, memory] of memories.entries()) assert.ok(memory.every((byte) => byte === index))
  })

  it('is in huge pages where there are any', function () {
    if (!existsSync(HUGE_PAGES) || !existsSync('/proc/self/smaps')) this.skip()
    const held = Array.from({ length: 2 }, () => chunkMemory()(8 * MIB))
    assert.ok(advisedMappings() > 0)
    assert.ok(held.length > 0)
  })

  it('is refused with a reason', () => {
    const { allocatePages } = loadAddon()
    assert.throws(() => allocatePages(0), TypeError)
    assert.throws(() => allocatePages(-1), TypeError)
    assert.throws(() => allocatePages(Number.NaN), TypeError)
    assert.throws(() => allocatePages(2 ** 52), RangeError)
  })
})
