// Memory for buffers of chunks, in huge pages: first use of 8 MiB in pages of 4 KiB, 2,048 faults, costs a virtual machine more
// than all that is done with the chunk.

import { loadAddon } from './load-addon.ts'

const HUGE_PAGE_BYTES = 2 ** 21
/** Buffers smaller than a huge page come out of so much at a time; it is freed when none of them is used any more. */
const BLOCK_BYTES = 2 ** 23
/** Of a cache line: no two buffers share one. */
const ALIGNMENT = 64

/** What allocates so many bytes, at least one, with any contents. Throws `internal` when the addon is missing. */
export function chunkMemory(): (bytes: number) => Buffer {
  const { allocatePages } = loadAddon()
  let block: Buffer = Buffer.alloc(0)
  return (bytes) => {
    if (bytes >= HUGE_PAGE_BYTES) return allocatePages(bytes)
    if (block.length < bytes) block = allocatePages(BLOCK_BYTES)
    const memory = block.subarray(0, bytes)
    block = block.subarray(Math.ceil(bytes / ALIGNMENT) * ALIGNMENT)
    return memory
  }
}
