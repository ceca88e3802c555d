// What the libp2p node under the exchange keeps of those who have left.

import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import { startNode } from '../../src/exchange/libp2p-node.ts'
import { LOOPBACK } from '../support/exchange-node.ts'

describe('libp2p node', () => {
  const nodes: Libp2p[] = []

  async function start(): Promise<Libp2p> {
    const privateKey = await generateKeyPair('Ed25519')
    const node = await startNode({ privateKey, listen: LOOPBACK, listenIsDefault: false, announce: [] })
    nodes.push(node)
    return node
  }

  after(async () => {
    for (const node of nodes) await node.stop()
  })

  it('forgets a peer that has left', async () => {
    const [host, guest] = [await start(), await start()]
    const forgotten = Promise.withResolvers<void>()
    const { peerStore } = host
    const remove = peerStore.delete.bind(peerStore)
    peerStore.delete = async (...given) => {
      await remove(...given)
      forgotten.resolve()
    }
    const connection = await guest.dial(host.getMultiaddrs())
    await peerStore.save(guest.peerId, {})
    await connection.close()
    await forgotten.promise
    assert.ok(!(await peerStore.has(guest.peerId)))
  })
})
