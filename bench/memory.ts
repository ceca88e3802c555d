// Files in memory: the one that is moved, and pages that the next run finds.

import { randomFillSync } from 'node:crypto'
import { open, rm } from 'node:fs/promises'

const PIECE_BYTES = 2 ** 26

/** Random bytes, so that nobody can send less. */
export async function makeRandomFile(path: string, bytes: number): Promise<void> {
  const piece = Buffer.alloc(PIECE_BYTES)
  await write(path, bytes, () => randomFillSync(piece))
}

/**
 * A virtual machine may get a page of its memory only when it uses it, and give it back soon after it is free, which costs more than
 * anything that is measured here. Everybody finds as many pages that are there: those of this file, which is removed again.
 */
export async function touchMemory(path: string, bytes: number): Promise<void> {
  const piece = Buffer.alloc(PIECE_BYTES)
  await write(path, bytes, () => piece)
  await rm(path)
}

async function write(path: string, bytes: number, next: () => Buffer): Promise<void> {
  const file = await open(path, 'w')
  for (let made = 0; made < bytes; made += PIECE_BYTES) await file.write(next(), 0, Math.min(PIECE_BYTES, bytes - made))
  await file.close()
}
