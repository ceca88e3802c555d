// What a seeding machine keeps between runs, so that a ticket stays good after a restart: its identity and the secret that
// swarm keys come from. One process at a time.

import { createHmac, randomBytes } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { SwarmError, systemErrorCode } from '../base/errors.ts'
import type { Root } from '../base/ids.ts'
import { generateIdentity } from '../exchange/identity.ts'
import { diskError } from '../restore/disk-errors.ts'
import { type HeldLock, tryLock } from '../restore/lock.ts'
import { makePath } from '../restore/make-path.ts'

export interface SeedState {
  readonly path: string
  readonly identity: Uint8Array
  /** The swarm key of a snapshot that this machine seeds; 32 bytes. */
  swarmKey(root: Root): Uint8Array
  release(): Promise<void>
}

const SECRET_BYTES = 32

/** Throws `destinationLocked` when another process seeds with this state, and disk errors. */
export async function openSeedState(path: string): Promise<SeedState> {
  try {
    await makePath(path)
  } catch (cause) {
    const error = diskError(`creating the state directory ${path}`, cause)
    throw new SwarmError(error.code, error.message, { cure: 'give a writable directory with --state DIR', cause })
  }
  const outcome = await tryLock(`${path}/lock`, 'seed')
  if (outcome.status === 'busy') {
    const { pid, host } = outcome.holder
    throw new SwarmError('destinationLocked', `${path} is in use by swarm process ${pid} on ${host}`, {
      blame: 'caller',
      cure: 'end that process, or give another directory with --state DIR',
    })
  }
  return readState(path, outcome.lock)
}

async function readState(path: string, lock: HeldLock): Promise<SeedState> {
  try {
    const identity = await readOrCreate(`${path}/identity`, generateIdentity)
    const secret = await readOrCreate(`${path}/swarm-secret`, async () => randomBytes(SECRET_BYTES))
    return {
      path,
      identity,
      swarmKey: (root) => createHmac('sha256', secret).update(root, 'hex').digest(),
      release: () => lock.release(),
    }
  } catch (cause) {
    await lock.release()
    throw diskError(`reading the state in ${path}`, cause)
  }
}

/** Secrets are readable by their owner only. */
async function readOrCreate(path: string, make: () => Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
  }
  const made = await make()
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(made)
    await file.sync()
  } finally {
    await file.close()
  }
  return made
}
