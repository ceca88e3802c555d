// A node's identity as bytes that can be kept in a file.

import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'

/** A new Ed25519 key in libp2p's protobuf form: what `createExchange` takes as `privateKey`. A secret. */
export async function generateIdentity(): Promise<Uint8Array> {
  return privateKeyToProtobuf(await generateKeyPair('Ed25519'))
}
