// Files in memory: the one that is moved, and pages that the next run finds.

import { randomFillSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { freemem, tmpdir } from 'node:os'

const SHARED_MEMORY = '/dev/shm'
/** Where files are in memory, if the system has such a place. */
export const MEMORY_FOLDER = existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir()

const PIECE_BYTES = 2 ** 26
/** What a run is given, for each byte that it moves: the copy, and what the processes need besides. */
const TOUCHED_TIMES = 2

/** Random bytes, so that nobody can send less. */
export async function makeRandomFile(path: string, bytes: number): Promise<void> {
  const piece = Buffer.alloc(PIECE_BYTES)
  await write(path, bytes, () => randomFillSync(piece))
}

/**
 * A virtual machine may get a page of its memory only when it uses it, and give it back soon after it is free, which costs more than
 * anything that is measured here. Everybody who moves so many bytes finds as many pages that are there: those of a file, which is
 * removed again, and which takes half of what is free at most.
 */
export async function touchMemory(movedBytes: number): Promise<void> {
  const path = `${MEMORY_FOLDER}/swarm-touched-${process.pid}`
  const piece = Buffer.alloc(PIECE_BYTES)
  await write(path, Math.min(TOUCHED_TIMES * movedBytes, freemem() / 2), () => piece)
  await rm(path)
}

async function write(path: string, bytes: number, next: () => Buffer): Promise<void> {
  const file = await open(path, 'w')
  for (let made = 0; made < bytes; made += PIECE_BYTES) await file.write(next(), 0, Math.min(PIECE_BYTES, bytes - made))
  await file.close()
}
