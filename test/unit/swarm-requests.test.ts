import assert from 'node:assert/strict'
import { Bitfield } from '../../src/base/bitfield.ts'
import { peerId } from '../../src/base/ids.ts'
import { parseLimits } from '../../src/swarm/limits.ts'
import { OriginPolicyDecider } from '../../src/swarm/origin-policy.ts'
import { PeerPolicy } from '../../src/swarm/peer-policy.ts'
import type { Peer } from '../../src/swarm/peer-table.ts'
import { type OriginPolicy, SwarmState } from '../../src/swarm/swarm-state.ts'
import { SELF } from '../support/scheduler-bench.ts'

const CHUNKS = 400
const CHUNK_BYTES = 1_000_000
const LIMITS = parseLimits()
const SECOND_US = 1_000_000
const NEIGHBOURS = 8
/** Bytes per ms: the most that ever came in, which at present comes from peers. */
const PEAK = 20_000
const TICK_US = LIMITS.tickMs * 1000

interface Situation {
  /** Bytes per ms, at most so far. */
  readonly originPeak: number
  readonly originRoseSecondsAgo: number
  /** Chunks that every neighbour holds; we hold none. */
  readonly theyHold?: number
}

/** A node that joined a minute ago and gets from peers what PEAK says. */
function settled(origin: OriginPolicy): SwarmState {
  const state = new SwarmState({
    ...{ self: SELF, chunkBytes: new Array<number>(CHUNKS).fill(CHUNK_BYTES), held: new Bitfield(CHUNKS) },
    ...{ limits: LIMITS, seed: 1, origin },
  })
  state.startedAt = 0
  state.now = 60 * SECOND_US
  state.peakRate = PEAK
  state.peersRate.start(state.now - SECOND_US)
  state.peersRate.add(PEAK * 1000, state.now)
  return state
}

/** A neighbour that holds `count` chunks, others than each of the other neighbours if there are enough. */
function neighbour(state: SwarmState, index: number, count: number): Peer {
  const have = new Bitfield(CHUNKS)
  for (let chunk = 0; chunk < count; chunk++) have.add((chunk * NEIGHBOURS + index) % CHUNKS)
  const came = { peer: peerId(`neighbour ${index}`), have, readsOrigin: true, holdsAll: false }
  const peer = state.peers.add(came, false, CHUNKS, state.now)
  state.setCounted(peer, true)
  state.offerAll(peer)
  return peer
}

/** How many requests to peers a node has open that still has the origin to read. */
function requestsToPeers({ originPeak, originRoseSecondsAgo, theyHold = CHUNKS / 64 }: Situation): number {
  const state = settled({ readable: true, mode: 'once', copiesMax: 1 })
  state.originPeakRate = originPeak
  state.originRoseAt = state.now - originRoseSecondsAgo * SECOND_US
  for (let index = 0; index < NEIGHBOURS; index++) neighbour(state, index, theyHold)
  const policy = new PeerPolicy(state)
  policy.watch()
  policy.fill()
  return state.requests.nearCount
}

/** Seconds in which something was read from the origin, of a node to which neighbours have all to give and that gets PEAK of it. */
function secondsOfCopies(isBehind: boolean, uplinkRate: number): number[] {
  const state = settled({ readable: true, mode: 'auto', copiesMax: 'unlimited' })
  state.uplinkRate = uplinkRate
  // The origin gave one chunk, before there were peers.
  state.originRate.start(state.now - SECOND_US)
  state.originRate.add(CHUNK_BYTES, state.now)
  state.originRate.stop(state.now)
  for (let index = 0; index < NEIGHBOURS; index++) neighbour(state, index, CHUNKS / NEIGHBOURS)
  if (!isBehind) for (let chunk = 0; chunk < CHUNKS / NEIGHBOURS; chunk++) state.held.add(chunk)
  const policy = new OriginPolicyDecider(state)
  const seconds: number[] = []
  for (let second = 0; second < 30; second++) {
    for (let tick = 0; tick < SECOND_US / TICK_US; tick++) {
      state.now += TICK_US
      state.peersRate.add((PEAK * TICK_US) / 1000, state.now)
      policy.watch()
      policy.fill()
    }
    if (state.requests.originCount > 0) seconds.push(second)
    // What the origin sends takes from peers what it brings: the downlink is full.
    for (const request of [...state.requests.all()]) state.closeRequest(request)
  }
  return seconds
}

describe('how many requests to peers a node has', () => {
  const usual = requestsToPeers({ originPeak: PEAK / 8, originRoseSecondsAgo: 30 })

  it('are as many as its peers deliver, however full its downlink is', () => {
    assert.ok(usual >= 14, `only ${usual}`)
  })

  it('are fewer beside an origin that may turn out to fill half of a full downlink', () => {
    assert.ok(requestsToPeers({ originPeak: PEAK / 8, originRoseSecondsAgo: 1 }) <= usual / 2)
    assert.ok(requestsToPeers({ originPeak: PEAK / 3, originRoseSecondsAgo: 30 }) <= usual / 2)
  })

  it('are more when its neighbours have far more than it, unless the origin may bring it', () => {
    const theyHold = CHUNKS / 16
    const late = requestsToPeers({ originPeak: PEAK / 8, originRoseSecondsAgo: 30, theyHold })
    assert.equal(late, LIMITS.requestsLateMin)
    assert.ok(requestsToPeers({ originPeak: PEAK / 3, originRoseSecondsAgo: 30, theyHold }) <= usual / 2)
  })
})

describe('whom a node asks', () => {
  it('is first who answers soonest, as far as that is known', () => {
    const state = settled({ readable: false, mode: 'never', copiesMax: 1 })
    const peers = Array.from({ length: NEIGHBOURS }, (_, index) => neighbour(state, index, CHUNKS / NEIGHBOURS))
    for (const [index, peer] of peers.entries()) {
      peer.proven = true
      peer.rate.start(state.now - SECOND_US)
      // All but the first deliver a quarter of a chunk per second.
      peer.rate.add(index === 0 ? 15 * CHUNK_BYTES : CHUNK_BYTES / 4, state.now)
      peer.rate.stop(state.now)
    }
    new PeerPolicy(state).fill()
    const [fast = 0, ...others] = peers.map((peer) => peer.open)
    assert.ok(fast > 2 * Math.max(...others), `${fast} and ${others.join(' ')}`)
    assert.ok(Math.min(...others) > 0, 'a slow one was left out')
  })
})

describe('a node that gets from peers as much as ever came in', () => {
  it('tries now and then whether the origin brings more when its neighbours have far more than it', () => {
    const seconds = secondsOfCopies(true, 0)
    assert.ok(seconds.length > 0 && seconds.length < 10, `read in seconds ${seconds.join(' ')}`)
  })

  it('does not try while it keeps up, nor beside uplinks that bring far more than the origin', () => {
    assert.deepEqual(secondsOfCopies(false, 0), [])
    assert.deepEqual(secondsOfCopies(true, 10_000_000), [])
  })
})
