// The membership handshake over streams in memory.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  deriveSecrets,
  type HandshakeParties,
  type HandshakeStream,
  handshake,
  isProof,
  makeProof,
  type Role,
  type Transcript,
} from '../../src/exchange/membership.ts'
import { encodeMessage, parseMessage } from '../../src/exchange/messages.ts'

const KEY = new Uint8Array(32).fill(1)
const OTHER_KEY = new Uint8Array(32).fill(2)

/** Everything in hex, except the peer ids. */
interface MembershipVector {
  readonly swarmKey: string
  readonly swarmId: string
  readonly proofKey: string
  readonly initiator: string
  readonly responder: string
  readonly initiatorHello: string
  readonly responderHello: string
  readonly initiatorProof: string
  readonly responderProof: string
}

/** One end of a pipe in memory. */
class End implements HandshakeStream {
  readonly sent: Uint8Array[] = []
  #incoming: Uint8Array[] = []
  #closed = false
  #wake = Promise.withResolvers<void>()
  deliver: (bytes: Uint8Array) => void = () => {}

  send(bytes: Uint8Array): void {
    this.sent.push(bytes)
    this.deliver(bytes)
  }

  receive(bytes: Uint8Array): void {
    this.#incoming.push(bytes)
    this.#wake.resolve()
  }

  close(): void {
    this.#closed = true
    this.#wake.resolve()
  }

  async next(): Promise<Uint8Array | undefined> {
    while (this.#incoming.length === 0 && !this.#closed) {
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
    }
    return this.#incoming.shift()
  }
}

function parties(role: Role, key: Uint8Array, nonce: number, over: Partial<HandshakeParties> = {}): HandshakeParties {
  const secrets = deriveSecrets(key)
  return {
    role,
    secrets,
    hello: {
      type: 'hello',
      swarmId: secrets.swarmId,
      nonce: new Uint8Array(32).fill(nonce),
      capabilities: [],
      listens: true,
      agentVersion: '',
    },
    initiator: 'alice',
    responder: 'bob',
    ...over,
  }
}

async function meet(initiator: HandshakeParties, responder: HandshakeParties) {
  const [left, right] = [new End(), new End()]
  left.deliver = (bytes) => right.receive(bytes)
  right.deliver = (bytes) => left.receive(bytes)
  const signal = AbortSignal.timeout(10_000)
  const [first, second] = await Promise.all([
    handshake(left, initiator, signal).finally(() => right.close()),
    handshake(right, responder, signal).finally(() => left.close()),
  ])
  return { outcomes: [first.status, second.status], left, right }
}

describe('exchange membership', () => {
  it('admits two holders of one key, the initiator proving itself first', async () => {
    const { outcomes, left, right } = await meet(parties('I', KEY, 3), parties('R', KEY, 4))
    assert.deepEqual(outcomes, ['admitted', 'admitted'])
    assert.deepEqual(
      [...left.sent, ...right.sent].map((bytes) => parseMessage(bytes).type),
      ['hello', 'proof', 'hello', 'proof'],
    )
  })

  it('refuses another swarm before the responder has said anything but that (P14, P15)', async () => {
    const { outcomes, right } = await meet(parties('I', OTHER_KEY, 3), parties('R', KEY, 4))
    assert.deepEqual(outcomes, ['wrongSwarm', 'wrongSwarm'])
    assert.deepEqual(
      right.sent.map((bytes) => parseMessage(bytes)),
      [{ type: 'error', reason: 'wrongSwarm' }],
    )
  })

  it('refuses an initiator that knows the swarm id but not the key, and proves nothing to it (P14)', async () => {
    const impostor = { swarmId: deriveSecrets(KEY).swarmId, proofKey: deriveSecrets(OTHER_KEY).proofKey }
    const { outcomes, right } = await meet({ ...parties('I', KEY, 3), secrets: impostor }, parties('R', KEY, 4))
    assert.deepEqual(outcomes, ['wrongKey', 'wrongKey'])
    assert.deepEqual(
      right.sent.map((bytes) => parseMessage(bytes).type),
      ['hello', 'error'],
    )
  })

  it('refuses a responder that knows the swarm id but not the key (P14)', async () => {
    const right = new End()
    const left = new End()
    left.deliver = (bytes) => right.receive(bytes)
    right.deliver = (bytes) => left.receive(bytes)
    const running = handshake(left, parties('I', KEY, 3), AbortSignal.timeout(10_000))
    right.send(encodeMessage(parties('R', KEY, 4).hello))
    right.send(encodeMessage({ type: 'proof', keyProof: new Uint8Array(32) }))
    assert.equal((await running).status, 'wrongKey')
  })

  it('refuses a proof that was made for other peer ids than the connection has', async () => {
    const { outcomes } = await meet(parties('I', KEY, 3, { responder: 'mallory' }), parties('R', KEY, 4))
    assert.equal(outcomes[1], 'wrongKey')
  })

  it('refuses a proof from an earlier connection', async () => {
    const earlier = await meet(parties('I', KEY, 3), parties('R', KEY, 4))
    const [hello, proof] = earlier.left.sent
    assert.ok(hello !== undefined && proof !== undefined)
    const right = new End()
    const running = handshake(right, parties('R', KEY, 5), AbortSignal.timeout(10_000))
    right.receive(hello)
    right.receive(proof)
    assert.equal((await running).status, 'wrongKey')
  })

  it('refuses its own proof played back in the other role', () => {
    const secrets = deriveSecrets(KEY)
    const bytes = new Uint8Array(1)
    const { swarmId } = secrets
    const transcript = { swarmId, initiator: 'a', responder: 'b', initiatorHello: bytes, responderHello: bytes }
    const proof = makeProof(secrets, 'I', transcript)
    assert.ok(isProof(proof, secrets, 'I', transcript))
    assert.ok(!isProof(proof, secrets, 'R', transcript))
    assert.ok(!isProof(proof.subarray(1), secrets, 'I', transcript))
  })

  it('binds the proof to every part of the transcript, and to where parts end', () => {
    const secrets = deriveSecrets(KEY)
    const base: Transcript = {
      swarmId: secrets.swarmId,
      initiator: 'ab',
      responder: 'c',
      initiatorHello: Uint8Array.of(1),
      responderHello: Uint8Array.of(2),
    }
    const proof = makeProof(secrets, 'I', base)
    const changes: Partial<Transcript>[] = [
      { swarmId: new Uint8Array(32) },
      { initiator: 'a', responder: 'bc' },
      { initiator: 'c', responder: 'ab' },
      { initiatorHello: Uint8Array.of(1, 2), responderHello: new Uint8Array(0) },
      { responderHello: Uint8Array.of(3) },
    ]
    for (const change of changes) assert.ok(!isProof(proof, secrets, 'I', { ...base, ...change }))
  })

  it('gives up on a peer that closes or talks nonsense, and stops waiting when told to', async () => {
    for (const bytes of [Uint8Array.of(0xff), encodeMessage({ type: 'keepAlive' })]) {
      const end = new End()
      end.receive(bytes)
      assert.equal((await handshake(end, parties('R', KEY, 4), AbortSignal.timeout(10_000))).status, 'refused')
    }
    const closed = new End()
    closed.close()
    assert.equal((await handshake(closed, parties('I', KEY, 4), AbortSignal.timeout(10_000))).status, 'refused')
  })

  it('derives the swarm id, the proof key and the proofs of the vector', () => {
    const url = new URL('../../protocols/vectors/exchange/membership.json', import.meta.url)
    const vector = JSON.parse(readFileSync(url, 'utf8')) as MembershipVector
    const bytes = (name: keyof MembershipVector) => Buffer.from(vector[name], 'hex')
    const secrets = deriveSecrets(bytes('swarmKey'))
    assert.equal(Buffer.from(secrets.swarmId).toString('hex'), vector.swarmId)
    assert.equal(Buffer.from(secrets.proofKey).toString('hex'), vector.proofKey)
    // HKDF-SHA256 by hand: extract with an empty salt, expand by one block.
    const extracted = createHmac('sha256', Buffer.alloc(32)).update(bytes('swarmKey')).digest()
    const expanded = createHmac('sha256', extracted).update('/swarm/exchange/1.0.0\u0001').digest('hex')
    assert.equal(expanded, vector.proofKey)
    const transcript: Transcript = {
      swarmId: secrets.swarmId,
      initiator: vector.initiator,
      responder: vector.responder,
      initiatorHello: bytes('initiatorHello'),
      responderHello: bytes('responderHello'),
    }
    assert.equal(Buffer.from(makeProof(secrets, 'I', transcript)).toString('hex'), vector.initiatorProof)
    assert.equal(Buffer.from(makeProof(secrets, 'R', transcript)).toString('hex'), vector.responderProof)
  })
})
