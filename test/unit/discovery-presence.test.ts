// Discoveries against objects in memory and a clock moved by hand.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { SwarmError } from '../../src/base/errors.ts'
import { objectId, type PeerId, peerId } from '../../src/base/ids.ts'
import {
  BucketPresence,
  type BucketPresenceInit,
  EXPIRY_MS,
  HEARTBEAT_MS,
  LOOK_INTERVAL_MS_AGAIN,
  LOOK_INTERVAL_MS_FIRST,
  LOOK_INTERVAL_MS_MAX,
  type PresenceObjects,
  READS_PER_LOOK_MAX,
} from '../../src/discovery/bucket-presence.ts'
import type { DiscoveredPeer } from '../../src/discovery/discovery.ts'
import { FixedPeers } from '../../src/discovery/fixed-peers.ts'
import { encodePresence, PRESENCE_BYTES_MAX, parsePresence } from '../../src/discovery/presence-object.ts'
import { describeDiscovery } from '../conformance/discovery.ts'
import { ManualClock } from '../support/manual-clock.ts'

const ROOT = objectId('cd'.repeat(32))
const PREFIX = `swarms/${ROOT}/`
const START_MS = 1_000_000_000

/** A store in memory whose clock is `skewMs` ahead of ours. */
class MemoryObjects implements PresenceObjects {
  readonly objects = new Map<string, { bytes: Uint8Array; modifiedMs: number }>()
  readonly #clock: ManualClock
  readonly #skewMs: number
  writable = true
  lists = 0
  gets = 0
  puts = 0

  constructor(clock: ManualClock, skewMs = 0) {
    this.#clock = clock
    this.#skewMs = skewMs
  }

  async list(prefix: string, after: string | undefined) {
    this.lists++
    const keys = [...this.objects.keys()].filter(
      (key) => key.startsWith(prefix) && (after === undefined || key > after),
    )
    const page = keys.sort().slice(0, 1_000)
    const entries = page.map((key) => ({ key, modifiedMs: this.objects.get(key)?.modifiedMs ?? 0 }))
    return { entries, next: keys.length > page.length ? page.at(-1) : undefined }
  }

  async get(key: string, maxBytes: number) {
    this.gets++
    const bytes = this.objects.get(key)?.bytes
    if (bytes === undefined) throw new SwarmError('objectNotFound', key)
    if (bytes.length > maxBytes) throw new SwarmError('integrity', key)
    return bytes
  }

  async put(key: string, bytes: Uint8Array) {
    this.puts++
    if (!this.writable) throw new SwarmError('credentialsRefused', key)
    this.write(key, bytes)
  }

  async delete(key: string) {
    this.objects.delete(key)
  }

  clockSkewMs() {
    return this.#skewMs
  }

  write(key: string, bytes: Uint8Array) {
    this.objects.set(key, { bytes, modifiedMs: this.#clock.nowMs() + this.#skewMs })
  }

  /** Another node, whose record is its name. */
  addNode(name: string) {
    this.write(`${PREFIX}${name}`, encodePresence({ record: Buffer.from(name), reachable: true }))
  }
}

const addressOf = (name: string) => `/ip4/10.0.0.1/tcp/1/p2p/${name}`

async function openName(bytes: Uint8Array): Promise<DiscoveredPeer | undefined> {
  const name = Buffer.from(bytes).toString()
  return name.startsWith('forged') ? undefined : { peer: name, addresses: [addressOf(name)] }
}

function setUp(options: { skewMs?: number; self?: PeerId } & Partial<BucketPresenceInit> = {}) {
  const clock = new ManualClock(START_MS)
  const objects = new MemoryObjects(clock, options.skewMs)
  const logs: string[] = []
  const warnings: string[] = []
  const presence = new BucketPresence({
    objects,
    root: ROOT,
    self: peerId('self'),
    openRecord: openName,
    log: (text) => logs.push(text),
    warn: (text) => warnings.push(text),
    clock,
    random: () => 0,
    ...options,
  })
  const heard: DiscoveredPeer[] = []
  return {
    clock,
    objects,
    logs,
    warnings,
    presence,
    heard,
    start: () => presence.start((found) => heard.push(...found)),
  }
}

describeDiscovery('FixedPeers', () => ({
  discovery: new FixedPeers([addressOf('a'), '/ip4/10.0.0.2/tcp/2']),
  expected: [addressOf('a'), '/ip4/10.0.0.2/tcp/2'],
  pass: async () => {},
}))

describeDiscovery('BucketPresence', () => {
  const { objects, presence, clock } = setUp()
  for (const name of ['a', 'b', 'c']) objects.addNode(name)
  return {
    discovery: presence,
    expected: ['a', 'b', 'c'].map(addressOf),
    pass: () => clock.advance(2 * LOOK_INTERVAL_MS_AGAIN),
  }
})

describe('FixedPeers', () => {
  it('makes one candidate of the addresses of one peer', () => {
    const heard: DiscoveredPeer[] = []
    const other = '/ip4/10.0.0.9/tcp/9/p2p/a'
    new FixedPeers([addressOf('a'), other, '/ip4/10.0.0.2/tcp/2', other]).start((found) => heard.push(...found))
    assert.deepEqual(heard, [{ peer: 'a', addresses: [addressOf('a'), other] }, { addresses: ['/ip4/10.0.0.2/tcp/2'] }])
  })
})

describe('BucketPresence', () => {
  it('writes its own object, keeps it fresh, and removes it when it stops', async () => {
    const { presence, objects, clock, start } = setUp()
    start()
    presence.announce({ record: Buffer.from('self'), reachable: false })
    await clock.advance(HEARTBEAT_MS * 3)
    assert.equal(objects.puts, 4)
    assert.ok(objects.objects.has(`${PREFIX}self`))
    presence.announce({ record: Buffer.from('self'), reachable: true })
    await clock.advance(0)
    const own = objects.objects.get(`${PREFIX}self`)
    assert.equal(own === undefined ? undefined : parsePresence(own.bytes)?.reachable, true)
    await presence.stop()
    assert.equal(objects.objects.size, 0)
    assert.deepEqual(clock.delaysMs, [])
  })

  it('does not name itself, the dead, or objects under names that are no peer ids', async () => {
    const { presence, objects, clock, heard, start } = setUp()
    objects.addNode('dead')
    await clock.advance(EXPIRY_MS + 1)
    for (const name of ['self', 'alive', 'a/b', '.', 'ü']) objects.addNode(name)
    start()
    await clock.advance(0)
    assert.deepEqual(
      heard.map((peer) => peer.peer),
      ['alive'],
    )
    await presence.stop()
  })

  it('judges death by the clock of the server, whatever its own clock says', async () => {
    for (const skewMs of [-3_600_000, 3_600_000]) {
      const { presence, objects, clock, heard, start } = setUp({ skewMs })
      objects.addNode('dead')
      await clock.advance(EXPIRY_MS + 1)
      objects.addNode('alive')
      start()
      await clock.advance(0)
      assert.deepEqual(
        heard.map((peer) => peer.peer),
        ['alive'],
      )
      await presence.stop()
    }
  })

  it('reads a bounded number of objects per look, by chance, and none twice unchanged (P24)', async () => {
    let turn = 0
    const { presence, objects, clock, heard, start } = setUp({ random: () => (turn++ % 7) / 7 })
    const count = 2_500
    for (let index = 0; index < count; index++) objects.addNode(`n${index}`)
    start()
    await clock.advance(0)
    assert.equal(objects.gets, READS_PER_LOOK_MAX)
    await clock.advance(LOOK_INTERVAL_MS_FIRST)
    assert.equal(objects.gets, 2 * READS_PER_LOOK_MAX)
    assert.equal(new Set(heard.map((peer) => peer.peer)).size, 2 * READS_PER_LOOK_MAX)
    await presence.stop()
  })

  it('ignores malformed, forged, foreign and oversized objects', async () => {
    const { presence, objects, clock, heard, start } = setUp()
    objects.write(`${PREFIX}malformed`, Uint8Array.of(0xff))
    objects.write(`${PREFIX}empty`, new Uint8Array(0))
    objects.write(`${PREFIX}large`, new Uint8Array(PRESENCE_BYTES_MAX + 1))
    objects.write(`${PREFIX}foreign`, encodePresence({ record: Buffer.from('other'), reachable: true }))
    objects.addNode('forged')
    objects.addNode('good')
    start()
    await clock.advance(0)
    assert.deepEqual(heard, [{ peer: 'good', addresses: [addressOf('good')], reachable: true }])
    await presence.stop()
  })

  it('with read-only credentials lists, stops writing, and warns once if it stays alone', async () => {
    const { presence, objects, clock, heard, warnings, start } = setUp()
    objects.writable = false
    start()
    presence.announce({ record: Buffer.from('self'), reachable: true })
    await clock.advance(LOOK_INTERVAL_MS_MAX * 5)
    assert.equal(objects.puts, 1)
    assert.equal(warnings.length, 1)
    objects.addNode('late')
    await clock.advance(LOOK_INTERVAL_MS_MAX)
    assert.equal(heard[0]?.peer, 'late')
    assert.equal(warnings.length, 1)
    await presence.stop()
  })

  it('does not warn with read-only credentials while others are listed', async () => {
    const { presence, objects, clock, warnings, start } = setUp()
    objects.writable = false
    start()
    presence.announce({ record: Buffer.from('self'), reachable: true })
    for (let beat = 0; beat < 10; beat++) {
      objects.addNode('other')
      await clock.advance(HEARTBEAT_MS)
    }
    assert.deepEqual(warnings, [])
    await presence.stop()
  })

  it('goes on looking after the store failed', async () => {
    const { presence, objects, clock, heard, logs, start } = setUp()
    const list = objects.list.bind(objects)
    objects.list = () => Promise.reject(new SwarmError('storeUnavailable', 'listing'))
    start()
    await clock.advance(LOOK_INTERVAL_MS_FIRST)
    assert.ok(logs.length > 0)
    objects.list = list
    objects.addNode('a')
    await clock.advance(LOOK_INTERVAL_MS_MAX)
    assert.equal(heard.length, 1)
    await presence.stop()
  })

  it('looks ever more rarely', async () => {
    const { presence, clock, start } = setUp()
    start()
    const delays: number[] = []
    for (let look = 0; look < 9; look++) {
      await clock.advance(0)
      const [delay = 0] = clock.delaysMs
      delays.push(delay)
      await clock.advance(delay)
    }
    assert.deepEqual(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    await presence.stop()
  })

  it('is listed before it looks, so that of two nodes that start together one sees the other', async () => {
    const { presence, objects, clock, start } = setUp()
    const put = objects.put.bind(objects)
    const written = Promise.withResolvers<void>()
    objects.put = async (key, bytes) => {
      await written.promise
      await put(key, bytes)
    }
    presence.announce({ record: Buffer.from('self'), reachable: false })
    const looked = start()
    await clock.advance(0)
    assert.equal(objects.lists, 0)
    written.resolve()
    await looked
    assert.equal(objects.lists, 1)
    await presence.stop()
  })

  it('finds a node that starts at the same moment within the first interval', async () => {
    const { presence, objects, clock, heard, start } = setUp()
    start()
    await clock.advance(0)
    objects.addNode('twin')
    await clock.advance(LOOK_INTERVAL_MS_FIRST)
    assert.deepEqual(
      heard.map((peer) => peer.peer),
      ['twin'],
    )
    await presence.stop()
  })

  it('looks every few seconds, neither more often nor less, when asked to look all the time', async () => {
    const { presence, objects, clock, start } = setUp()
    start()
    const minuteMs = 60_000
    await clock.advance(minuteMs)
    const before = objects.lists
    for (let passedMs = 0; passedMs < minuteMs; passedMs += 100) {
      presence.look()
      await clock.advance(100)
    }
    const [lists, listsMax] = [objects.lists - before, minuteMs / LOOK_INTERVAL_MS_AGAIN]
    assert.ok(lists <= listsMax && lists >= listsMax / 2, `${lists} listings`)
    await presence.stop()
  })

  it('reads a presence object back, and nothing from noise', () => {
    const own = { record: Uint8Array.of(1, 2, 3), reachable: true }
    assert.deepEqual(parsePresence(encodePresence(own)), own)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const parsed = parsePresence(bytes)
        assert.ok(parsed === undefined || parsed.record.length > 0)
      }),
    )
  })
})
