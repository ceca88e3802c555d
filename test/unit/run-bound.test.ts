// When a join may be judged, by which rates, and what a person is told.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { peerId } from '../../src/base/ids.ts'
import { describeBound } from '../../src/cli/results.ts'
import type { TransferReport } from '../../src/node/join-events.ts'
import { type DeclaredRate, readLinkRate } from '../../src/node/link-rate.ts'
import { type Participants, PEER_STARTS_MAX, type PeerStart, PeerStarts } from '../../src/node/peer-starts.ts'
import { type FinishedRun, judgeRun, type RunBound } from '../../src/node/run-bound.ts'

const MB = 1_000_000

function rate(megabytesPerSec: number, by: string): DeclaredRate {
  return { bytesPerSec: megabytesPerSec * MB, by }
}

const EQUAL: PeerStart = { atMs: 1_200, chunksHeld: 3, readsOrigin: true }
const ALONE: Participants = { peers: [], peersLost: 0, isKnown: true }

function among(...peers: Participants['peers']): { swarm: Participants } {
  return { swarm: { ...ALONE, peers } }
}

/** 56 GB onto one machine, which reads them at 184 MB/s. */
function run(change: Partial<FinishedRun> = {}): FinishedRun {
  return {
    encodedBytes: 56_000 * MB,
    chunks: 7_000,
    seconds: 310,
    fetchStartedAtMs: 1_000,
    chunksHeldAtStart: 0,
    bytesFetched: 56_000 * MB,
    readsStore: true,
    mode: 'once',
    copiesMax: 2,
    rates: { store: rate(184, '--limit-store'), fromPeers: undefined, toPeers: undefined, link: undefined },
    swarm: ALONE,
    ...change,
  }
}

function withRates(store: number | undefined, down?: number, up?: number, link?: number): FinishedRun['rates'] {
  const declared = (value: number | undefined, by: string) => (value === undefined ? undefined : rate(value, by))
  return {
    store: declared(store, '--limit-store'),
    fromPeers: declared(down, '--limit-down'),
    toPeers: declared(up, '--limit-up'),
    link: declared(link, 'interface eth0'),
  }
}

function boundOf(change: Partial<FinishedRun>): RunBound {
  const { bound, reason } = judgeRun(run(change))
  assert.ok(bound !== null, String(reason))
  return bound
}

function reasonOf(change: Partial<FinishedRun>): string {
  const { bound, reason } = judgeRun(run(change))
  assert.equal(bound, null, JSON.stringify(bound))
  return String(reason)
}

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-6 * expected, `${actual} is not ${expected}`)
}

describe('the bound of a finished join', () => {
  it('needs only the store’s rate for one machine alone', () => {
    const { seconds, efficiency, limitedBy, rates } = boundOf({})
    close(seconds, 56_000 / 184)
    close(efficiency, 56_000 / 184 / 310)
    assert.equal(limitedBy, 'origin')
    assert.deepEqual(rates, {
      nodes: 1,
      storeBytesPerSec: 184 * MB,
      downBytesPerSec: null,
      upBytesPerSec: null,
      originCopies: 1,
      declaredBy: { store: '--limit-store', down: null, up: null },
    })
  })

  it('is that of N equal machines, one of which this is', () => {
    const eight = among(...new Array<PeerStart>(7).fill(EQUAL))
    const fast = boundOf({ ...eight, rates: withRates(184, undefined, undefined, 3_125), seconds: 50 })
    close(fast.seconds, 56_000 / (8 * 184))
    assert.deepEqual([fast.rates.nodes, fast.limitedBy], [8, 'origin'])
    assert.equal(fast.rates.declaredBy.up, 'interface eth0')
    const slow = boundOf({ ...eight, rates: withRates(184, undefined, undefined, 125), seconds: 500 })
    close(slow.seconds, 56_000 / 125)
    assert.deepEqual([slow.limitedBy, slow.rates.storeBytesPerSec], ['downlink', 125 * MB])
  })

  it('counts --limit-down for what comes from peers alone', () => {
    const two = among(EQUAL)
    // Of two machines with one copy each gets half from the other: at most twice what it may take from peers.
    const half = boundOf({ ...two, rates: withRates(184, 50, 1_000), seconds: 900 })
    close(half.seconds, 56_000 / 100)
    assert.deepEqual([half.limitedBy, half.rates.downBytesPerSec], ['downlink', 100 * MB])
    const all = boundOf({ ...two, rates: withRates(184, 50, 1_000), mode: 'auto', seconds: 900 })
    // With two copies it may read everything itself, and takes what it can from the other besides.
    close(all.seconds, 56_000 / (184 + 50))
    assert.equal(all.rates.originCopies, 2)
  })

  it('takes machines that do not read the store for what they are', () => {
    const two = among({ ...EQUAL, readsOrigin: false })
    close(boundOf({ ...two, rates: withRates(100, 1_000, 1_000), seconds: 900 }).seconds, 56_000 / 100)
    close(boundOf({ ...two, rates: withRates(100, 40, 1_000), seconds: 2_000 }).seconds, 56_000 / 40)
  })

  it('is that of the policy in force: more copies only where they gain more than a fifth', () => {
    const sixteen = among(...new Array<PeerStart>(15).fill(EQUAL))
    const slow = withRates(10, 1_000, 5)
    const seconds = 20_000
    const once = boundOf({ ...sixteen, rates: slow, seconds })
    close(once.seconds, 56_000 / ((5 * 16) / 15))
    assert.equal(once.limitedBy, 'uplinks')
    const twice = boundOf({ ...sixteen, rates: slow, seconds, mode: 'auto' })
    close(twice.seconds, 56_000 / ((5 * 16) / 15))
    assert.equal(twice.rates.originCopies, 1)
    const many = boundOf({ ...sixteen, rates: slow, seconds, mode: 'auto', copiesMax: 'unlimited' })
    close(many.seconds, 56_000 / 15)
    assert.equal(many.rates.originCopies, 'unlimited')
  })

  it('is not known when rates are missing, and says which', () => {
    assert.equal(reasonOf({ rates: withRates(undefined, 10, 10) }), 'declare --limit-store')
    const two = among(EQUAL)
    assert.equal(reasonOf(two), 'declare --limit-down and --limit-up')
    assert.equal(
      reasonOf({ ...two, rates: withRates(undefined) }),
      'declare --limit-store, --limit-down and --limit-up',
    )
    assert.equal(reasonOf({ ...two, rates: withRates(184, 10) }), 'declare --limit-up')
    assert.equal(reasonOf({ ...two, rates: withRates(undefined, undefined, undefined, 125) }), 'declare --limit-store')
  })

  it('is not known when this was no run of equals that began together, and says why', () => {
    const peer = (change: Partial<PeerStart>): Partial<FinishedRun> => ({
      ...among(EQUAL, { ...EQUAL, ...change }),
      rates: withRates(184, 1_000, 1_000),
    })
    boundOf({ ...peer({}), seconds: 200 })
    for (const [change, expected] of [
      [{ bytesFetched: 0, chunksHeldAtStart: 7_000 }, /nothing had to be fetched/],
      [{ chunksHeldAtStart: 1 }, /a part of it was here/],
      [{ readsStore: false }, /does not read the store/],
      [{ swarm: { ...ALONE, isKnown: false } }, /not connected to/],
      [{ swarm: { ...ALONE, peersLost: 1 } }, /left before/],
      [among(undefined), /joined much later/],
      [peer({ atMs: 1_000 + 31_001 }), /joined much later/],
      [peer({ chunksHeld: 7_000 }), /had all of it at the start/],
      [peer({ chunksHeld: 701 }), /had joined much earlier/],
    ] as const) {
      assert.match(reasonOf(change), expected)
    }
    boundOf({ ...peer({ atMs: 1_000 + 19_999, chunksHeld: 700 }), seconds: 200 })
  })

  it('is not believed when the run beat it by more than a burst', () => {
    const seconds = 56_000 / 184
    assert.ok(boundOf({ seconds: seconds - 0.9 }).efficiency > 1)
    assert.equal(reasonOf({ seconds: seconds - 1.1 }), 'it was faster than --limit-store would allow')
  })
})

describe('what other machines began with', () => {
  const ANN = peerId('ann')
  const BOB = peerId('bob')

  it('is what they said first, also when they come back', () => {
    const starts = new PeerStarts()
    starts.told(ANN, Uint8Array.of(0b101), { readsOrigin: true, holdsAll: false }, 10)
    starts.told(ANN, Uint8Array.of(0b111), { readsOrigin: false, holdsAll: false }, 20)
    const { peers, peersLost, isKnown } = starts.participants([ANN, BOB])
    assert.deepEqual(peers, [{ atMs: 10, chunksHeld: 2, readsOrigin: true }, undefined])
    assert.deepEqual([peersLost, isKnown], [0, true])
  })

  it('counts when they left with everything, and not when they left before', () => {
    const starts = new PeerStarts()
    starts.told(ANN, new Uint8Array(1), { readsOrigin: true, holdsAll: false }, 10)
    starts.told(BOB, new Uint8Array(1), { readsOrigin: false, holdsAll: false }, 11)
    starts.finished(ANN)
    starts.finished(peerId('never begun'))
    const { peers, peersLost } = starts.participants([])
    assert.deepEqual(peers, [{ atMs: 10, chunksHeld: 0, readsOrigin: true }])
    assert.equal(peersLost, 1)
    assert.equal(starts.participants([ANN, BOB]).peers.length, 2)
  })

  it('is remembered of so many machines and no more', () => {
    const starts = new PeerStarts()
    for (let index = 0; index < PEER_STARTS_MAX + 10; index++) {
      starts.told(peerId(`peer ${index}`), new Uint8Array(1), { readsOrigin: true, holdsAll: false }, index)
    }
    const { peersLost, isKnown } = starts.participants([])
    assert.deepEqual([peersLost, isKnown], [PEER_STARTS_MAX, false])
  })
})

describe('what a person is told of the bound', () => {
  function report(change: Partial<TransferReport>): TransferReport {
    const bytes = { raw: 0, encoded: 0, fromStore: 1_000 * MB, fromPeers: 3_000 * MB, fromSelf: 0 }
    return {
      command: 'join',
      snapshot: 'x',
      root: 'r',
      files: 1,
      seconds: 26.4,
      bytes: { ...bytes, toPeers: 0, toStore: 0, wasted: 0 },
      chunks: 1,
      device: 'cpu',
      codecPath: 'avx2',
      peers: 3,
      bound: null,
      boundMissing: null,
      firstRequestAtMs: 1_000,
      readyAtMs: 26_000,
      store: null,
      ...change,
    }
  }

  const bound = (change: Partial<FinishedRun>): Partial<TransferReport> => ({ bound: boundOf(change) })

  it('names the possible, the taken and the link that was the limit', () => {
    const encodedBytes = 24 * 184 * MB
    assert.deepEqual(describeBound(report(bound({ encodedBytes, seconds: 26.4 }))), [
      "24 s possible, 26 s taken (91 %); limited by the store's 184 MB/s",
    ])
    const together = among(EQUAL, EQUAL, EQUAL)
    const four = bound({
      encodedBytes: 4 * encodedBytes,
      seconds: 26.4,
      ...together,
      rates: withRates(184, 2_000, 2_000),
    })
    assert.deepEqual(describeBound(report(four)), [
      "24 s possible for 4 equal machines, 26 s taken (91 %); limited by the store's 184 MB/s per machine",
    ])
    const link = bound({ encodedBytes, seconds: 60, ...together, rates: withRates(184, undefined, undefined, 125) })
    assert.match(describeBound(report(link)).join(), /by the 125 MB\/s that a machine can receive \(interface eth0\)$/)
    const uplinks = bound({ encodedBytes, seconds: 300, ...together, rates: withRates(184, 2_000, 20) })
    assert.match(describeBound(report(uplinks)).join(), /by the 20.0 MB\/s that a machine can send \(--limit-up\)$/)
  })

  it('names what was measured, and why there is no bound, where there is none', () => {
    const boundMissing = reasonOf({ rates: withRates(undefined) })
    assert.deepEqual(describeBound(report({ boundMissing })), [
      'from the store at 40.0 MB/s, from peers at 120 MB/s; the best possible time is not known: declare --limit-store',
    ])
    assert.deepEqual(describeBound(report({ boundMissing: 'nothing had to be fetched', firstRequestAtMs: null })), [])
  })
})

describe('the rate of this machine’s link', () => {
  let root = ''

  beforeEach(async () => {
    root = await mkdtemp(`${tmpdir()}/swarm-link-`)
  })

  afterEach(() => rm(root, { recursive: true }))

  async function machine(routes: readonly string[], speeds: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(`${root}/proc/net`, { recursive: true })
    const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
    await writeFile(`${root}/proc/net/route`, [head, ...routes, ''].join('\n'))
    for (const [name, speed] of Object.entries(speeds)) {
      await mkdir(`${root}/sys/class/net/${name}`, { recursive: true })
      await writeFile(`${root}/sys/class/net/${name}/speed`, `${speed}\n`)
    }
  }

  const route = (name: string, metric: number, destination = '00000000', mask = '00000000', flags = '0003'): string =>
    `${name}\t${destination}\t010200C0\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0      `

  it('is what the interface of the default route of least metric states', async () => {
    // As a VPN sets it: half of all addresses, which is no default route.
    const half = route('tun0', 0, '00000000', '00000080')
    const routes = [half, route('eth1', 100), route('eth0', 0, '000200C0', '00FFFFFF'), route('bond0.7', 20)]
    await machine([...routes, route('down0', 1, '00000000', '00000000', '0002')], {
      eth0: '1000',
      eth1: '10000',
      tun0: '10',
      'bond0.7': '25000',
      down0: '1',
    })
    assert.deepEqual(await readLinkRate(root), { bytesPerSec: 3_125 * MB, by: 'interface bond0.7' })
  })

  it('is not known where no positive speed is stated, or there is no default route', async () => {
    for (const speed of ['-1', '0', '', 'fast', '4294967295.5']) {
      await machine([route('eth0', 0)], { eth0: speed })
      assert.equal(await readLinkRate(root), undefined, speed)
    }
    await machine([route('eth0', 0, '000200C0', '00FFFFFF'), route('../../..', 0)], { eth0: '1000' })
    assert.equal(await readLinkRate(root), undefined)
    assert.equal(await readLinkRate(`${root}/none`), undefined)
  })
})
