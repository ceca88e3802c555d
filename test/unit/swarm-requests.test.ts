import assert from 'node:assert/strict'
import { Bitfield } from '../../src/base/bitfield.ts'
import { peerId } from '../../src/base/ids.ts'
import { parseLimits } from '../../src/swarm/limits.ts'
import { PeerPolicy } from '../../src/swarm/peer-policy.ts'
import { SwarmState } from '../../src/swarm/swarm-state.ts'
import { SELF } from '../support/scheduler-bench.ts'

const CHUNKS = 400
const CHUNK_BYTES = 1_000_000
const LIMITS = parseLimits()
const SECOND_US = 1_000_000
const NEIGHBOURS = 8
/** Bytes per ms: the most that ever came in, which at present comes from peers. */
const PEAK = 20_000

interface Situation {
  /** Bytes per ms, at most so far. */
  readonly originPeak: number
  readonly originRoseSecondsAgo: number
  /** Chunks that every neighbour holds; we hold none. */
  readonly theyHold?: number
}

/** How many requests to peers a node has open that joined a minute ago and still has the origin to read. */
function requestsToPeers({ originPeak, originRoseSecondsAgo, theyHold = CHUNKS / 64 }: Situation): number {
  const state = new SwarmState({
    ...{ self: SELF, chunkBytes: new Array<number>(CHUNKS).fill(CHUNK_BYTES), held: new Bitfield(CHUNKS) },
    ...{ limits: LIMITS, seed: 1, origin: { readable: true, mode: 'once', copiesMax: 1 } },
  })
  state.startedAt = 0
  state.now = 60 * SECOND_US
  Object.assign(state, { originPeakRate: originPeak, peakRate: PEAK })
  state.originRoseAt = state.now - originRoseSecondsAgo * SECOND_US
  state.peersRate.start(state.now - SECOND_US)
  state.peersRate.add(PEAK * 1000, state.now)
  for (let index = 0; index < NEIGHBOURS; index++) {
    const have = new Bitfield(CHUNKS)
    for (let chunk = 0; chunk < theyHold; chunk++) have.add((chunk * NEIGHBOURS + index) % CHUNKS)
    const came = { peer: peerId(`neighbour ${index}`), have, readsOrigin: true, holdsAll: false }
    const peer = state.peers.add(came, false, CHUNKS, state.now)
    state.setCounted(peer, true)
    state.offerAll(peer)
  }
  const policy = new PeerPolicy(state)
  policy.watch()
  policy.fill()
  return state.requests.nearCount
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
