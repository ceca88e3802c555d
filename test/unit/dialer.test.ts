// When a peer is dialled again.

import assert from 'node:assert/strict'
import type { PeerId } from '../../src/base/ids.ts'
import { peerId } from '../../src/base/ids.ts'
import type { DialOutcome } from '../../src/exchange/exchange.ts'
import { Dialer } from '../../src/node/dialer.ts'

const PEER = peerId('12D3KooWDzF4YSbKm6mnHbkV2VTUmvkqmxVJJdyudp8EED62G66z')
const ADDRESSES = [`/ip4/192.0.2.1/tcp/4001/p2p/${PEER}`]

describe('dialer', () => {
  let now = 0
  let dials = 0
  let peers: PeerId[] = []
  let dialer: Dialer

  beforeEach(() => {
    now = 0
    dials = 0
    peers = []
    const dial = async (): Promise<DialOutcome> => {
      dials++
      return { status: 'connected', peer: PEER }
    }
    const exchange = {
      peerId: peerId('12D3KooWRhp6Sj1jopsNsCXTntXFcv11PdEABZCKyha6257MVT7M'),
      peers: () => peers,
      dial,
    }
    dialer = new Dialer(
      exchange,
      8,
      () => {},
      () => now,
    )
  })

  afterEach(() => dialer.stop())

  /** How often the peer is dialled within so many ms, looked at every 100 ms. */
  async function dialsWithin(ms: number): Promise<number> {
    const before = dials
    for (const end = now + ms; now < end; now += 100) {
      dialer.add(ADDRESSES)
      await dialer.idle()
    }
    return dials - before
  }

  it('waits longer for a peer each time that the connection does not last', async () => {
    // After 0, 0.5, 1.5, 3.5 and 7.5 s, then every 15 s.
    assert.equal(await dialsWithin(15_000), 5)
    assert.equal(await dialsWithin(60_000), 4)
  })

  it('comes back soon to a peer whose connection lasted', async () => {
    assert.equal(await dialsWithin(100), 1)
    peers = [PEER]
    assert.equal(await dialsWithin(60_000), 0)
    peers = []
    assert.equal(await dialsWithin(500), 1)
  })
})
