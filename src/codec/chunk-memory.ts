// Memory for buffers of chunks, in huge pages: first use of 8 MiB in pages of 4 KiB, 2,048 faults, costs a virtual machine more
// than all that is done with the chunk.

import { loadAddon } from './load-addon.ts'

const HUGE_PAGE_BYTES = 2 ** 21

/** What allocates so many bytes, at least one, with any contents. Throws `internal` when the addon is missing. */
export function chunkMemory(): (bytes: number) => Buffer {
  const { allocatePages } = loadAddon()
  return (bytes) => (bytes < HUGE_PAGE_BYTES ? Buffer.allocUnsafeSlow(bytes) : allocatePages(bytes))
}
