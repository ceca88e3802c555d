// When a join that waits is given up, and with which words.

import assert from 'node:assert/strict'
import { SwarmError } from '../../src/base/errors.ts'
import { chunkIndex, peerId } from '../../src/base/ids.ts'
import { STUCK_ALONE_MS, STUCK_AMONG_PEERS_MS, STUCK_MS } from '../../src/node/limits.ts'
import type { LoadedManifest } from '../../src/node/manifest-objects.ts'
import { findDeadlock } from '../../src/node/watchdog.ts'
import { forge } from '../support/forged-manifest.ts'
import { readManifest } from '../support/snapshot-samples.ts'

type DriverView = Parameters<typeof findDeadlock>[0]
type SessionView = Parameters<typeof findDeadlock>[1]

interface Situation {
  readonly idleMs: number
  /** How long each connected peer has not got on. */
  readonly peersIdleMs?: readonly number[]
  readonly missing?: number
  readonly requestsOpen?: number
  readonly unobtainable?: readonly number[]
  readonly originFailure?: SwarmError
  readonly wrongChunk?: SwarmError
}

describe('watchdog', () => {
  const { head, root, messages } = forge({})
  const manifest: LoadedManifest = readManifest(head, root, messages)

  function verdict(situation: Situation): string | undefined {
    const { idleMs, peersIdleMs = [], missing = 1, requestsOpen = 0, unobtainable = [] } = situation
    const status = {
      chunksWanted: 2,
      chunksHeld: 2 - missing,
      chunksStored: 2 - missing,
      bytesHeld: 0,
      requestsOpen,
      originRequestsOpen: 0,
      unobtainable: unobtainable.map(chunkIndex),
      peers: [],
    }
    const driver: DriverView = {
      status: () => status,
      lastUsefulAtMs: performance.now() - idleMs,
      wrongChunk: situation.wrongChunk,
      originFailure: situation.originFailure,
    }
    const session: SessionView = {
      peerCount: peersIdleMs.length,
      peers: () =>
        peersIdleMs.map((idle) => ({ peer: peerId('peer'), address: '', progress: 'partial', idleMs: idle })),
    }
    return findDeadlock(driver, session, manifest, true)?.code
  }

  const LONG = STUCK_AMONG_PEERS_MS * 2

  it('waits while a request is open or nothing is missing', () => {
    assert.equal(verdict({ idleMs: LONG, requestsOpen: 1 }), undefined)
    assert.equal(verdict({ idleMs: LONG, missing: 0 }), undefined)
  })

  it('S9: alone, a chunk that the store lacks ends the join within seconds', () => {
    assert.equal(verdict({ idleMs: STUCK_ALONE_MS + 1000, unobtainable: [1] }), 'objectNotFound')
    assert.equal(verdict({ idleMs: STUCK_ALONE_MS - 1000, unobtainable: [1] }), undefined)
    assert.equal(verdict({ idleMs: STUCK_ALONE_MS + 1000, unobtainable: [1], peersIdleMs: [0] }), undefined)
    assert.equal(verdict({ idleMs: STUCK_MS + 1000, unobtainable: [1], peersIdleMs: [0] }), 'objectNotFound')
  })

  it('S5: wrong bytes in the store are named rather than missing ones', () => {
    const wrongChunk = new SwarmError('integrity', 'wrong')
    assert.equal(verdict({ idleMs: LONG, unobtainable: [1], wrongChunk }), 'integrity')
  })

  it('P5 P6: with everybody gone it says so, or why the store failed', () => {
    assert.equal(verdict({ idleMs: STUCK_MS - 1000 }), undefined)
    assert.equal(verdict({ idleMs: STUCK_MS + 1000 }), 'networkUnavailable')
    const originFailure = new SwarmError('credentialsRefused', 'refused')
    assert.equal(verdict({ idleMs: STUCK_MS + 1000, originFailure }), 'credentialsRefused')
  })

  it('P6: among peers it waits while any of them gets on, and not for ever', () => {
    assert.equal(verdict({ idleMs: LONG, peersIdleMs: [LONG, 1000] }), undefined)
    assert.equal(verdict({ idleMs: STUCK_AMONG_PEERS_MS - 1000, peersIdleMs: [LONG] }), undefined)
    assert.equal(verdict({ idleMs: LONG, peersIdleMs: [LONG, LONG] }), 'networkUnavailable')
  })
})
