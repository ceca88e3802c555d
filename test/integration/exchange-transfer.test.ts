// Two and three nodes of the exchange over real connections on loopback: transfer, cancel, loss, limits.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { objectId } from '../../src/base/ids.ts'
import { openTransportCalls } from '../../src/codec/transport-calls.ts'
import { FRAME_BODY_BYTES, PAYLOAD_BUFFER_BYTES_MAX, REQUESTS_PER_PEER_MAX } from '../../src/exchange/limits.ts'
import { FRAME_HEADER_BYTES } from '../../src/exchange/payload-frame.ts'
import { chunk, someBytes, startTestNode, stopTestNodes, type TestNode } from '../support/exchange-node.ts'
import { admitRawPeer, stopRawPeers } from '../support/exchange-raw-peer.ts'

const CHUNK_BYTES = 8 * 1024 * 1024

const transport = openTransportCalls()

/** The two ways of payload, which nobody outside the exchange can tell apart. */
const WAYS = [
  { way: 'payload streams', options: { transport: { ...transport, openDataPlane: undefined } } },
  { way: 'data connections', options: { transport } },
]

for (const { way, options } of WAYS)
  describe(`exchange transfer over ${way}`, () => {
    before(function () {
      if (way === 'data connections' && transport.openDataPlane === undefined) this.skip()
    })
    afterEach(stopTestNodes)

    async function startPair(): Promise<[TestNode, TestNode]> {
      const [first, second] = [await startTestNode(options), await startTestNode(options)]
      const outcome = await first.exchange.dial(second.exchange.addresses())
      assert.equal(outcome.status, 'connected')
      await second.until('up')
      if (way === 'data connections')
        for (const node of [first, second]) await node.until('log', ({ text }) => text.includes('is up'))
      return [first, second]
    }

    it('moves 8 MiB both ways over a connection that one side dialled', async () => {
      const [first, second] = await startPair()
      const sent = [someBytes(CHUNK_BYTES, 1), someBytes(CHUNK_BYTES, 2)] as const
      first.serves.set(1, sent[0])
      second.serves.set(2, sent[1])
      const [atSecond, atFirst] = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)]
      let reported = 0
      const outcomes = await Promise.all([
        second.exchange.request(first.exchange.peerId, chunk(1), 0, atSecond, {
          onBytes: (bytes) => {
            reported += bytes
          },
        }),
        first.exchange.request(second.exchange.peerId, chunk(2), 0, atFirst),
      ])
      assert.deepEqual(outcomes, [
        { status: 'ok', bytes: CHUNK_BYTES },
        { status: 'ok', bytes: CHUNK_BYTES },
      ])
      assert.ok(Buffer.from(atSecond).equals(sent[0]))
      assert.ok(Buffer.from(atFirst).equals(sent[1]))
      assert.equal(reported, CHUNK_BYTES)
      assert.equal(first.exchange.wastedBytes + second.exchange.wastedBytes, 0)
    })

    it('answers a request for a range, and ends one that goes past the end of the object', async () => {
      const [first, second] = await startPair()
      const bytes = someBytes(1_000_000, 3)
      first.serves.set(1, bytes)
      const middle = new Uint8Array(300_000)
      assert.deepEqual(await second.exchange.request(first.exchange.peerId, chunk(1), 400_000, middle), {
        status: 'ok',
        bytes: 300_000,
      })
      assert.ok(Buffer.from(middle).equals(bytes.subarray(400_000, 700_000)))
      const tooMuch = new Uint8Array(2_000_000)
      assert.deepEqual(await second.exchange.request(first.exchange.peerId, chunk(1), 0, tooMuch), {
        status: 'ok',
        bytes: 1_000_000,
      })
    })

    it('passes a refusal and an object id on', async () => {
      const [first, second] = await startPair()
      const id = objectId('ab'.repeat(32))
      const answer = second.exchange.request(first.exchange.peerId, { object: id }, 0, new Uint8Array(10))
      const { ask } = await first.until('asked')
      assert.deepEqual(ask.target, { object: id })
      first.exchange.refuse(ask.ask, 'missing')
      assert.deepEqual(await answer, { status: 'missing', bytes: 0 })
    })

    it('delivers have, claims and status messages in the order in which they were sent', async () => {
      const [first, second] = await startPair()
      first.exchange.send(second.exchange.peerId, { type: 'haveAll', bitfield: Uint8Array.of(1, 2) })
      first.exchange.send(second.exchange.peerId, { type: 'claims', claims: [] })
      first.exchange.send(second.exchange.peerId, {
        type: 'status',
        progress: 'done',
        readsOrigin: true,
        holdsAll: true,
        site: '',
      })
      await second.until('message', ({ message }) => message.type === 'status')
      const types = second.happenings.flatMap((each) => (each.type === 'message' ? [each.message.type] : []))
      assert.deepEqual(types, ['haveAll', 'claims', 'status'])
    })

    it('stops sending when the request is cancelled, and counts what came too late as wasted', async () => {
      const [first, second] = await startPair()
      const bytes = someBytes(CHUNK_BYTES, 4)
      first.serves.set(1, bytes)
      const abort = new AbortController()
      // Nobody looks at what comes, so that one buffer will do.
      const into = new Uint8Array(CHUNK_BYTES)
      const outcomes = await Promise.all(
        Array.from({ length: REQUESTS_PER_PEER_MAX }, () =>
          second.exchange.request(first.exchange.peerId, chunk(1), 0, into, {
            signal: abort.signal,
            onBytes: () => abort.abort(),
          }),
        ),
      )
      assert.ok(outcomes.every((outcome) => outcome.status === 'cancelled'))
      // Another transfer comes after whatever was still on its way.
      first.serves.set(5, bytes)
      into.fill(0)
      assert.equal((await second.exchange.request(first.exchange.peerId, chunk(5), 0, into)).status, 'ok')
      assert.ok(Buffer.from(into).equals(bytes))
      const received = outcomes.reduce((sum, each) => sum + each.bytes, second.exchange.wastedBytes)
      assert.ok(received < REQUESTS_PER_PEER_MAX * CHUNK_BYTES)
      assert.ok(first.happenings.some((each) => each.type === 'askCancelled'))
    })

    it('tells an asker whose request was waiting that it is cancelled', async () => {
      const [first, second] = await startPair()
      const abort = new AbortController()
      const answer = second.exchange.request(first.exchange.peerId, chunk(9), 0, new Uint8Array(10), {
        signal: abort.signal,
      })
      const { ask } = await first.until('asked')
      abort.abort()
      assert.deepEqual(await answer, { status: 'cancelled', bytes: 0 })
      await first.until('askCancelled')
      assert.equal(await first.exchange.serve(ask.ask, new Uint8Array(10)), 'failed')
    })

    it('closes a request as broken when the peer process is killed in the middle (P4)', async () => {
      const child = fork(new URL('../support/exchange-child.ts', import.meta.url), { stdio: ['ignore', 1, 2, 'ipc'] })
      const [address] = await once(child, 'message')
      const node = await startTestNode(options)
      const outcome = await node.exchange.dial(String(address))
      assert.equal(outcome.status, 'connected')
      if (way === 'data connections') await node.until('log', ({ text }) => text.includes('is up'))
      if (outcome.status !== 'connected') return
      const answers = Array.from({ length: 32 }, () =>
        node.exchange.request(outcome.peer, chunk(1), 0, new Uint8Array(CHUNK_BYTES), {
          onBytes: () => child.kill('SIGKILL'),
        }),
      )
      const statuses = (await Promise.all(answers)).map((answer) => answer.status)
      assert.equal(statuses.at(-1), 'broken')
      assert.equal((await node.until('down')).reason, 'broken')
    })

    it('opens no more requests to a peer than the peer allows', async () => {
      const [first, second] = await startPair()
      const answers = Array.from({ length: REQUESTS_PER_PEER_MAX + 1 }, () =>
        second.exchange.request(first.exchange.peerId, chunk(1), 0, new Uint8Array(1)),
      )
      assert.deepEqual(await answers.at(-1), { status: 'busy', bytes: 0 })
      await first.until('asked', ({ ask }) => ask.ask === REQUESTS_PER_PEER_MAX)
      assert.equal(first.happenings.filter((each) => each.type === 'down').length, 0)
    })
  })

describe('exchange transfer with a peer that does as it likes', () => {
  afterEach(async () => {
    await stopTestNodes()
    await stopRawPeers()
  })

  it('gives up an answer that is cancelled while its reader stalls', async () => {
    const node = await startTestNode()
    node.serves.set(1, someBytes(CHUNK_BYTES, 6))
    const raw = await admitRawPeer(node.exchange.addresses()[0] ?? '')
    raw.payload.pause()
    raw.send({ type: 'request', id: 1, target: chunk(1), offset: 0, length: CHUNK_BYTES, onData: false })
    await node.until('asked')
    raw.send({ type: 'cancel', id: 1 })
    assert.equal((await node.until('served')).outcome, 'failed')
    await node.until('askCancelled')
  })

  it('keeps memory bounded when 64 answers wait for a reader that stalls (P12)', async () => {
    const node = await startTestNode()
    node.serves.set(1, someBytes(CHUNK_BYTES, 5))
    const raw = await admitRawPeer(node.exchange.addresses()[0] ?? '')
    raw.payload.pause()
    const count = 64
    for (let id = 0; id < count; id++) {
      raw.send({ type: 'request', id, target: chunk(1), offset: 0, length: CHUNK_BYTES, onData: false })
    }
    await node.until('asked', ({ ask }) => ask.ask === count)
    // A question that is answered after the requests were: the sender has then had time to fill every buffer it may.
    raw.send({ type: 'dialBack', addresses: [] })
    await raw.until('dialBackResult')
    const bound = PAYLOAD_BUFFER_BYTES_MAX + FRAME_BODY_BYTES + FRAME_HEADER_BYTES
    assert.ok(node.exchange.queuedBytes > 0)
    assert.ok(node.exchange.queuedBytes <= bound, `${node.exchange.queuedBytes} bytes queued, ${bound} allowed`)
    assert.equal(node.happenings.filter((each) => each.type === 'served').length, 0)
  })

  it('drops a peer that opens more requests than it may (P12)', async () => {
    const node = await startTestNode()
    const raw = await admitRawPeer(node.exchange.addresses()[0] ?? '')
    for (let id = 0; id <= REQUESTS_PER_PEER_MAX; id++) {
      raw.send({ type: 'request', id, target: chunk(1), offset: 0, length: 1, onData: false })
    }
    assert.equal((await node.until('down')).reason, 'flooding')
    await raw.closed
  })
})
