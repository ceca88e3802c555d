// A session over real connections: whoever waits for a peer goes on as soon as there is one.

import assert from 'node:assert/strict'
import { objectIdFromBytes } from '../../src/base/ids.ts'
import { SwarmSession } from '../../src/node/swarm-session.ts'
import { LOOPBACK, SWARM_KEY } from '../support/exchange-node.ts'
import { admitRawPeer, stopRawPeers } from '../support/exchange-raw-peer.ts'

const ROOT = objectIdFromBytes(new Uint8Array(32))
/** Longer than any test may run. */
const NEVER_MS = 2 ** 30

describe('a session that waits for a peer', () => {
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

  const nextPeer = (ms: number) => session.nextPeer(0, ms, ended.signal)
  const admitOne = () => admitRawPeer(session.exchange.addresses()[0] ?? '')

  it('goes on when one is admitted', async () => {
    const waits = [nextPeer(NEVER_MS), nextPeer(NEVER_MS)]
    await admitOne()
    await Promise.all(waits)
    assert.equal(session.peersSeen, 1)
  })

  it('does not wait for one that has come since', async () => {
    await Promise.all([nextPeer(NEVER_MS), admitOne()])
    await nextPeer(NEVER_MS)
  })

  it('goes on without one when its time is over', async () => {
    await nextPeer(1)
    assert.equal(session.peersSeen, 0)
  })

  it('rejects when it is aborted', async () => {
    const wait = nextPeer(NEVER_MS)
    ended.abort(new Error('enough'))
    await assert.rejects(wait, /enough/)
    await assert.rejects(nextPeer(NEVER_MS), /enough/)
  })
})
