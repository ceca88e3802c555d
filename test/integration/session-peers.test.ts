// A session over real connections: whoever waits for a peer goes on as soon as there is one.

import assert from 'node:assert/strict'
import { objectIdFromBytes } from '../../src/base/ids.ts'
import { SwarmSession } from '../../src/node/swarm-session.ts'
import { LOOPBACK, SWARM_KEY } from '../support/exchange-node.ts'
import { admitRawPeer, stopRawPeers } from '../support/exchange-raw-peer.ts'

const ROOT = objectIdFromBytes(new Uint8Array(32))
/** Longer than any test may run. */
const NEVER_MS = 2 ** 30

describe('a session that waits for its first peer', () => {
  let session: SwarmSession
  let ended: AbortController

  beforeEach(async () => {
    ended = new AbortController()
    session = await SwarmSession.open({
      ...{ swarmKey: SWARM_KEY, root: ROOT, listen: LOOPBACK, listenIsDefault: false, announce: [] },
      ...{ readsOrigin: false, site: '', log: () => {} },
    })
  })

  afterEach(async () => {
    ended.abort(new Error('the test is over'))
    await session.close()
    await stopRawPeers()
  })

  const firstPeer = (ms: number) => session.firstPeer(ms, ended.signal)
  const admitOne = () => admitRawPeer(session.exchange.addresses()[0] ?? '')

  it('goes on when one is admitted', async () => {
    const waits = [firstPeer(NEVER_MS), firstPeer(NEVER_MS)]
    await admitOne()
    await Promise.all(waits)
    assert.equal(session.peersSeen, 1)
  })

  it('does not wait where there is one', async () => {
    await Promise.all([firstPeer(NEVER_MS), admitOne()])
    await firstPeer(NEVER_MS)
  })

  it('goes on without one when its time is over', async () => {
    await firstPeer(1)
    assert.equal(session.peersSeen, 0)
  })

  it('rejects when it is aborted', async () => {
    const wait = firstPeer(NEVER_MS)
    ended.abort(new Error('enough'))
    await assert.rejects(wait, /enough/)
    await assert.rejects(firstPeer(NEVER_MS), /enough/)
  })
})
