// What a node asks and tells about its own addresses, without a network.

import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type PeerId, peerId } from '../../src/base/ids.ts'
import { type IntroducedLink, Introductions } from '../../src/exchange/introductions.ts'
import { openRecord, sealRecord } from '../../src/exchange/records.ts'

type Message = Parameters<IntroducedLink['send']>[0]

const LAN = multiaddr('/ip4/10.0.0.7/tcp/4001')
const STALE = multiaddr('/ip4/203.0.113.9/tcp/41234')
const NOW = multiaddr('/ip4/198.51.100.4/tcp/41234')

async function introduce(own: Multiaddr[], mappedPort: number | undefined) {
  const privateKey = await generateKeyPair('Ed25519')
  const links: IntroducedLink[] = []
  const state = { changes: 0 }
  const later: (() => void)[] = []
  const introductions = new Introductions({
    self: peerId(peerIdFromPrivateKey(privateKey).toString()),
    privateKey,
    ownAddresses: () => own,
    announce: [],
    mappedPort,
    links: () => links,
    peersHeard: () => undefined,
    reachabilityChanged: () => {
      state.changes++
    },
    nowMs: () => 0,
    random: () => 0,
    later: (_ms, run) => later.push(run),
  })
  const meet = async () => {
    const key = await generateKeyPair('Ed25519')
    const peer = peerId(peerIdFromPrivateKey(key).toString())
    const sent: Message[] = []
    const link = {
      peer,
      connection: { remoteAddr: multiaddr('/ip4/192.0.2.1/tcp/9') },
      send: (m: Message) => sent.push(m),
    }
    links.push(link)
    introductions.peerUp(link)
    const asked = (): string[][] =>
      sent.flatMap((m) => (m.type === 'dialBack' ? [m.addresses.map((each) => multiaddr(each).toString())] : []))
    const toldOf = async (): Promise<PeerId[]> => {
      const records = sent.flatMap((m) => (m.type === 'peers' ? m.records : []))
      return (await Promise.all(records.map(openRecord))).flatMap((record) => record?.peer ?? [])
    }
    /** It says that it can be dialled. */
    const tellRecord = async (): Promise<void> => {
      introductions.heard(link, { type: 'peers', records: [await sealRecord(key, [NOW])] })
    }
    const hasHeard = (): boolean => sent.some((m) => m.type === 'peers')
    return { link, asked, hasHeard, toldOf, tellRecord }
  }
  const told = async (): Promise<string[]> =>
    ((await openRecord(await introductions.record()))?.addresses ?? []).map((each) => each.replace(/\/p2p\/.*/, ''))
  return { introductions, later, meet, told, state }
}

describe('introductions of a node that another one on its machine reached', () => {
  const HERE = multiaddr('/ip4/127.0.0.1/tcp/4001')

  it('go on asking and do not withhold the address of the network, until somebody elsewhere got through', async () => {
    const { introductions, meet, told, state } = await introduce([HERE, LAN], undefined)
    const near = await meet()
    const results = ['reachable', 'untried'] as const
    introductions.heard(near.link, { type: 'dialBackResult', results: [...results], observed: HERE.bytes })
    assert.equal(state.changes, 1)
    assert.deepEqual(await told(), [String(LAN), String(HERE)])
    const far = await meet()
    assert.deepEqual(far.asked(), [[String(LAN)]])
    introductions.heard(far.link, { type: 'dialBackResult', results: ['reachable'], observed: LAN.bytes })
    assert.equal(state.changes, 2)
    assert.deepEqual(await told(), [String(LAN)])
    assert.deepEqual((await meet()).asked(), [])
  })

  it('tell that address once where nobody gets through at the better one', async () => {
    const { introductions, meet, told } = await introduce([HERE, LAN], undefined)
    const { link } = await meet()
    const results = ['reachable', 'unreachable'] as const
    introductions.heard(link, { type: 'dialBackResult', results: [...results], observed: HERE.bytes })
    assert.deepEqual(await told(), [String(HERE)])
  })

  it('are settled where there is no other address', async () => {
    const { introductions, meet, told } = await introduce([HERE], undefined)
    const { link } = await meet()
    introductions.heard(link, { type: 'dialBackResult', results: ['reachable'], observed: HERE.bytes })
    assert.deepEqual(await told(), [String(HERE)])
    assert.deepEqual((await meet()).asked(), [])
  })
})

describe('introductions of a node with many addresses', () => {
  it('ask the next peer about those that did not fit in the question to the first', async () => {
    const own = Array.from({ length: 10 }, (_, index) => multiaddr(`/ip4/10.0.${index}.7/tcp/4001`))
    const { introductions, meet } = await introduce(own, undefined)
    const first = await meet()
    assert.deepEqual(first.asked(), [own.slice(0, 8).map(String)])
    introductions.heard(first.link, { type: 'dialBackResult', results: Array(8).fill('untried'), observed: LAN.bytes })
    assert.deepEqual((await meet()).asked(), [[...own.slice(8), ...own.slice(0, 6)].map(String)])
  })
})

describe('introductions behind a mapped port', () => {
  it('go on asking after a neighbour got through, and tell the mapped address when somebody outside did (P17)', async () => {
    const { introductions, meet, told, state } = await introduce([STALE, LAN], 41_234)
    const near = await meet()
    assert.deepEqual(near.asked(), [[String(STALE), String(LAN)]])
    const results = ['untried', 'reachable'] as const
    introductions.heard(near.link, { type: 'dialBackResult', results: [...results], observed: LAN.bytes })
    assert.equal(introductions.reachable, true)
    assert.deepEqual(await told(), [String(LAN)])
    const far = await meet()
    assert.deepEqual(far.asked(), [[String(STALE)]])
    introductions.heard(far.link, { type: 'dialBackResult', results: ['reachable'], observed: STALE.bytes })
    assert.deepEqual(await told(), [String(STALE), String(LAN)])
    assert.equal(state.changes, 2)
    assert.deepEqual((await meet()).asked(), [])
  })

  it('find a public address that changed since the start, with the mapped port (B4)', async () => {
    const { introductions, meet, told } = await introduce([STALE, LAN], 41_234)
    const { link, asked } = await meet()
    const observed = multiaddr('/ip4/198.51.100.4/tcp/55555').bytes
    introductions.heard(link, { type: 'dialBackResult', results: ['untried', 'untried'], observed })
    assert.deepEqual(asked()[1], [String(STALE), String(LAN), String(NOW)])
    introductions.heard(link, { type: 'dialBackResult', results: ['untried', 'untried', 'reachable'], observed })
    assert.deepEqual(await told(), [String(NOW)])
  })

  it('find a public address that nobody named, with the mapped port', async () => {
    const { introductions, meet } = await introduce([LAN], 41_234)
    const { link, asked } = await meet()
    const observed = multiaddr('/ip4/198.51.100.4/tcp/55555').bytes
    introductions.heard(link, { type: 'dialBackResult', results: ['reachable'], observed })
    assert.deepEqual(asked()[1], [String(NOW)])
  })

  it('without a mapped port one neighbour is enough', async () => {
    const { introductions, meet } = await introduce([LAN], undefined)
    const { link } = await meet()
    introductions.heard(link, { type: 'dialBackResult', results: ['reachable'], observed: LAN.bytes })
    assert.deepEqual((await meet()).asked(), [])
  })
})

describe('introductions of two nodes that could dial each other', () => {
  /** Lets what was started in the background come to its end. */
  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await setImmediate()
  }

  it('tell the newcomer at once, and the other one later, in case that did not get through', async () => {
    const { later, meet } = await introduce([LAN], undefined)
    const [witness, first] = [await meet(), await meet()]
    await first.tellRecord()
    await until(() => witness.hasHeard())
    const second = await meet()
    assert.deepEqual(await second.toldOf(), [first.link.peer])
    await second.tellRecord()
    await until(() => later.length === 1)
    assert.deepEqual(await first.toldOf(), [])
    later[0]?.()
    assert.deepEqual(await first.toldOf(), [second.link.peer])
  })

  it('tell only one of them at once when they came together', async () => {
    const { later, meet } = await introduce([LAN], undefined)
    const [first, second] = [await meet(), await meet()]
    await first.tellRecord()
    await until(() => second.hasHeard())
    await second.tellRecord()
    await until(() => later.length === 1)
    assert.deepEqual(await second.toldOf(), [first.link.peer])
    assert.deepEqual(await first.toldOf(), [])
  })

  it('tell at once the one that nobody can dial', async () => {
    const { later, meet } = await introduce([LAN], undefined)
    const [first, second] = [await meet(), await meet()]
    await second.tellRecord()
    await until(() => first.hasHeard())
    assert.deepEqual(await first.toldOf(), [second.link.peer])
    assert.equal(later.length, 0)
  })

  it('tell nobody of one that has left meanwhile', async () => {
    const { introductions, later, meet } = await introduce([LAN], undefined)
    const [first, second] = [await meet(), await meet()]
    await first.tellRecord()
    await until(() => second.hasHeard())
    await second.tellRecord()
    await until(() => later.length === 1)
    introductions.peerDown(second.link.peer)
    later[0]?.()
    assert.deepEqual(await first.toldOf(), [])
  })
})
