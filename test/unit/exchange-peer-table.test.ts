// Which connection to a peer counts, with links that only remember what was done to them.

import assert from 'node:assert/strict'
import { type PeerId, peerId } from '../../src/base/ids.ts'
import { REFUSED_PEERS_MAX, STRIKES_MAX } from '../../src/exchange/limits.ts'
import type { Message } from '../../src/exchange/messages.ts'
import { PeerTable, type TableLink } from '../../src/exchange/peer-table.ts'

const [SMALL, MIDDLE, LARGE] = [peerId('a'), peerId('m'), peerId('z')]
const MESSAGE: Message = { type: 'status', progress: 'done', readsOrigin: false, holdsAll: true, site: '' }

class FakeLink implements TableLink {
  readonly peer: PeerId
  readonly connection: { readonly direction: 'inbound' | 'outbound' }
  readonly sent: Message[] = []
  retired = false

  constructor(peer: PeerId, direction: 'inbound' | 'outbound') {
    this.peer = peer
    this.connection = { direction }
  }

  send(message: Message): void {
    this.sent.push(message)
  }

  retire(): void {
    this.retired = true
  }
}

function setUp() {
  const events: string[] = []
  const pending = new Set<PeerId>()
  const table = new PeerTable<FakeLink>(MIDDLE, {
    up: (link) => events.push(`up ${link.peer}`),
    down: (peer, reason) => events.push(`down ${peer} ${reason}`),
    isPending: (peer) => pending.has(peer),
  })
  return { table, events, pending }
}

describe('exchange peer table', () => {
  it('keeps the connection that the smaller id dialled, whichever was admitted first', () => {
    for (const [peer, kept] of [
      [SMALL, 'inbound'],
      [LARGE, 'outbound'],
    ] as const) {
      for (const order of [
        ['inbound', 'outbound'],
        ['outbound', 'inbound'],
      ] as const) {
        const { table, events } = setUp()
        const links = order.map((direction) => new FakeLink(peer, direction))
        for (const link of links) table.add(link)
        assert.equal(table.find(peer)?.connection.direction, kept)
        assert.deepEqual(
          links.filter((link) => link.retired).map((link) => link.connection.direction === kept),
          [false],
        )
        for (const link of links) if (link.retired) table.ended(link, 'closed')
        assert.deepEqual(events, [`up ${peer}`])
      }
    }
  })

  it('keeps the newer of two connections with one dialler', () => {
    const { table } = setUp()
    const links = [new FakeLink(SMALL, 'inbound'), new FakeLink(SMALL, 'inbound')] as const
    for (const link of links) table.add(link)
    assert.equal(table.find(SMALL), links[1])
    assert.deepEqual([links[0].retired, links[1].retired], [true, false])
  })

  it('does not let a peer seem to leave while another connection of it is being admitted, and loses no message', () => {
    const { table, events, pending } = setUp()
    const [first, second] = [new FakeLink(SMALL, 'outbound'), new FakeLink(SMALL, 'inbound')]
    table.add(first)
    pending.add(SMALL)
    table.ended(first, 'closed')
    table.send(SMALL, MESSAGE)
    assert.deepEqual(table.peers, [SMALL])
    pending.delete(SMALL)
    table.add(second)
    table.settled(SMALL)
    assert.deepEqual(second.sent, [MESSAGE])
    assert.deepEqual(events, [`up ${SMALL}`])
  })

  it('lets the peer leave when that other connection fails', () => {
    const { table, events, pending } = setUp()
    const link = new FakeLink(SMALL, 'outbound')
    table.add(link)
    pending.add(SMALL)
    table.ended(link, 'broken')
    table.settled(SMALL)
    assert.deepEqual(events, [`up ${SMALL}`])
    pending.delete(SMALL)
    table.settled(SMALL)
    assert.deepEqual(events, [`up ${SMALL}`, `down ${SMALL} broken`])
    assert.deepEqual(table.peers, [])
  })

  it('drops a peer for which too much piles up between two connections', () => {
    const { table, events, pending } = setUp()
    const link = new FakeLink(SMALL, 'outbound')
    table.add(link)
    pending.add(SMALL)
    table.ended(link, 'broken')
    for (let count = 0; count < 2_000; count++) table.send(SMALL, MESSAGE)
    assert.deepEqual(events, [`up ${SMALL}`, `down ${SMALL} stalled`])
  })

  it('refuses an identity after enough offences, and remembers a bounded number of them', () => {
    const { table } = setUp()
    for (let offence = 0; offence < STRIKES_MAX; offence++) {
      assert.equal(table.isRefused(SMALL), false)
      const link = new FakeLink(SMALL, 'inbound')
      table.add(link)
      table.ended(link, offence === 0 ? 'malformed' : 'flooding')
    }
    assert.equal(table.isRefused(SMALL), true)
    for (let count = 0; count < REFUSED_PEERS_MAX; count++) table.strike(peerId(`other ${count}`))
    assert.equal(table.isRefused(SMALL), false)
  })
})
