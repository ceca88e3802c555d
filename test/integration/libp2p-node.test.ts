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

  /** Settles when the node has forgotten some peer. */
  function forgetting({ peerStore }: Libp2p): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const remove = peerStore.delete.bind(peerStore)
    peerStore.delete = async (...given) => {
      await remove(...given)
      resolve()
    }
    return promise
  }

  it('forgets a peer that has left, and not before', async () => {
    const [host, guest] = [await start(), await start()]
    const forgotten = forgetting(host)
    const come = new Promise((resolve) => host.addEventListener('peer:connect', resolve))
    const connection = await guest.dial(host.getMultiaddrs())
    await come
    await host.peerStore.save(guest.peerId, {})
    assert.ok(await host.peerStore.has(guest.peerId))
    await connection.close()
    await forgotten
    assert.ok(!(await host.peerStore.has(guest.peerId)))
  })

  it('forgets a peer that it dialled in vain', async () => {
    const [host, guest] = [await start(), await start()]
    const addresses = guest.getMultiaddrs()
    await guest.stop()
    const forgotten = forgetting(host)
    await assert.rejects(host.dial(addresses))
    await forgotten
    assert.ok(!(await host.peerStore.has(guest.peerId)))
  })
})
