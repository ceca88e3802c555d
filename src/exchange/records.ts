// Signed peer records: a node's addresses under its own signature, so that anyone may pass them on and nobody can
// change them.

import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromPublicKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'
import { type PeerId, peerId } from '../base/ids.ts'
import { ADDRESS_BYTES_MAX, ADDRESSES_PER_RECORD_MAX, RECORD_BYTES_MAX } from './limits.ts'

/** A node that may be there to be dialled. Addresses are multiaddrs that end in its peer id. */
export interface Candidate {
  readonly peer: PeerId
  readonly addresses: readonly string[]
}

/** A sealed record of these addresses, of which at most ADDRESSES_PER_RECORD_MAX are taken. */
export async function sealRecord(privateKey: PrivateKey, addresses: readonly Multiaddr[]): Promise<Uint8Array> {
  const self = peerIdFromPrivateKey(privateKey)
  const multiaddrs = addresses
    .filter((address) => address.bytes.length <= ADDRESS_BYTES_MAX)
    .slice(0, ADDRESSES_PER_RECORD_MAX)
    .map((address) => address.decapsulateCode(CODE_P2P))
  const envelope = await RecordEnvelope.seal(new PeerRecord({ peerId: self, multiaddrs }), privateKey)
  return envelope.marshal()
}

/** Opens a sealed record: undefined when it is too large, not signed by the node it speaks of, or without addresses. */
export async function openRecord(bytes: Uint8Array): Promise<Candidate | undefined> {
  if (bytes.length > RECORD_BYTES_MAX) return undefined
  try {
    const envelope = await RecordEnvelope.openAndCertify(bytes, PeerRecord.DOMAIN)
    const record = PeerRecord.createFromProtobuf(envelope.payload)
    if (!peerIdFromPublicKey(envelope.publicKey).equals(record.peerId)) return undefined
    const count = record.multiaddrs.length
    if (count === 0 || count > ADDRESSES_PER_RECORD_MAX) return undefined
    const self = record.peerId.toString()
    const addresses = record.multiaddrs.map((address) =>
      address.decapsulateCode(CODE_P2P).encapsulate(`/p2p/${self}`).toString(),
    )
    return { peer: peerId(self), addresses }
  } catch {
    // The envelope comes from a stranger, and the library throws on everything that is wrong with it.
    return undefined
  }
}
