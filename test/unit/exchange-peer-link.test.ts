// The heartbeat and the retirement of one link, over streams in memory, with ticks given by hand.

import assert from 'node:assert/strict'
import { mockMuxer, multiaddrConnectionPair, streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { type AskId, askId, peerId } from '../../src/base/ids.ts'
import { ControlStream } from '../../src/exchange/control-stream.ts'
import {
  CONTROL_MESSAGES_PER_TICK_MAX,
  RETIRE_TIMEOUT_MS,
  SILENT_TICKS_MAX,
  STALLED_TICKS_MAX,
  TICK_MS,
} from '../../src/exchange/limits.ts'
import { encodeMessage, type Message } from '../../src/exchange/messages.ts'
import { type LinkEnd, PeerLink } from '../../src/exchange/peer-link.ts'
import { chunk } from '../support/exchange-node.ts'

async function setUp() {
  const [control, peerControl] = await streamPair({ delay: 0 })
  const [near, far] = multiaddrConnectionPair({ delay: 0, capacity: 1 })
  mockMuxer().createStreamMuxer(far)
  const payload = await mockMuxer().createStreamMuxer(near).createStream()
  const peer = new ControlStream(peerControl)
  const ended = Promise.withResolvers<LinkEnd>()
  const asked = Promise.withResolvers<AskId>()
  let heard = Promise.withResolvers<void>()
  let asks = 0
  const link = new PeerLink({
    peer: peerId('peer'),
    hello: {
      type: 'hello',
      swarmId: new Uint8Array(32),
      nonce: new Uint8Array(32),
      capabilities: [],
      listens: false,
      agentVersion: '',
    },
    connection: {
      addEventListener() {},
      abort() {},
      close: async () => {},
      direction: 'outbound',
      remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1'),
      status: 'open',
    },
    control: new ControlStream(control),
    payload,
    handlers: {
      heard: () => heard.resolve(),
      asked: (_link, ask) => asked.resolve(ask),
      askCancelled() {},
      ended: (_link, reason) => ended.resolve(reason),
    },
    nextAskId: () => askId(asks++),
    log() {},
  })
  link.start()
  return {
    link,
    peer,
    peerControl,
    /** From now on the peer's side of the payload connection takes nothing. */
    stallPayload: () => far.pause(),
    ended: ended.promise,
    asked: asked.promise,
    /** Sends from the peer and waits until the link has heard it. */
    async say(message: Message) {
      heard = Promise.withResolvers()
      peer.send(encodeMessage(message))
      await heard.promise
    },
  }
}

const STATUS: Message = { type: 'status', progress: 'done', readsOrigin: false, holdsAll: true, site: '' }
const isSettled = (promise: Promise<unknown>) => Promise.race([promise.then(() => true), Promise.resolve(false)])

describe('exchange link', () => {
  it('counts as dead when nothing came for some ticks, and not before', async () => {
    const { link, ended } = await setUp()
    for (let tick = 1; tick < SILENT_TICKS_MAX; tick++) link.tick()
    assert.equal(await isSettled(ended), false)
    link.tick()
    assert.equal(await ended, 'silent')
  })

  it('lives as long as something comes between ticks', async () => {
    const { link, ended, say } = await setUp()
    for (let tick = 0; tick < 3 * SILENT_TICKS_MAX; tick++) {
      await say(STATUS)
      link.tick()
    }
    assert.equal(await isSettled(ended), false)
    link.end('closed')
  })

  it('drops a peer that talks but takes none of its payload', async () => {
    const { link, ended, say, asked, peer, stallPayload } = await setUp()
    stallPayload()
    const request: Message = { type: 'request', id: 1, target: chunk(1), offset: 0, length: 4_000_000, onData: false }
    peer.send(encodeMessage(request))
    const served = link.serve(await asked, new Uint8Array(4_000_000))
    for (let tick = 0; tick <= STALLED_TICKS_MAX; tick++) {
      assert.equal(await isSettled(ended), false)
      await say(STATUS)
      link.tick()
    }
    assert.equal(await ended, 'stalled')
    assert.equal(await served, 'failed')
  })

  it('drops a peer that sends too many messages in one tick (P12)', async () => {
    const { ended, peerControl } = await setUp()
    const keepAlive = encodeMessage({ type: 'keepAlive' })
    const prefixed = Buffer.from([keepAlive.length, ...keepAlive])
    peerControl.send(Buffer.concat(Array.from({ length: CONTROL_MESSAGES_PER_TICK_MAX + 1 }, () => prefixed)))
    assert.equal(await ended, 'flooding')
  })

  it('finishes what is open after it is retired, and ends when the peer has finished too', async () => {
    const { link, ended, asked, peer } = await setUp()
    peer.send(encodeMessage({ type: 'request', id: 1, target: chunk(1), offset: 0, length: 10, onData: false }))
    const ask = await asked
    link.retire()
    peer.finish()
    assert.equal(await isSettled(ended), false)
    assert.equal(await link.serve(ask, new Uint8Array(10)), 'sent')
    assert.equal(await ended, 'closed')
  })

  it('does not wait for ever for a peer that leaves a retired link open', async () => {
    const { link, ended, say } = await setUp()
    void link.request(chunk(1), 0, new Uint8Array(1), {})
    link.retire()
    for (let tick = 0; tick < RETIRE_TIMEOUT_MS / TICK_MS; tick++) {
      await say(STATUS)
      link.tick()
    }
    assert.equal(await ended, 'closed')
  })
})
