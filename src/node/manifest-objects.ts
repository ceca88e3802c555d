// The manifest's own objects, head and parts: fetched by id from wherever they are, kept for others, read into tables.

import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { SwarmError } from '../base/errors.ts'
import { hashToId } from '../base/hash.ts'
import type { ObjectId, Root } from '../base/ids.ts'
import type { ChunkPlaces } from '../snapshot/chunk-places.ts'
import { HEAD_BYTES_MAX } from '../snapshot/limits.ts'
import type { Manifest } from '../snapshot/manifest.ts'
import { ManifestReader } from '../snapshot/manifest-codec.ts'
import { manifestKey } from '../snapshot/object-keys.ts'
import type { CallOptions, ObjectStore } from '../store/object-store.ts'

const decompress = promisify(zstdDecompress)

export type LoadedManifest = Manifest & { readonly places: ChunkPlaces }

/** Gets one object by id, of exactly `bytes` (or at most `bytesMax` where the size is not known), unchecked. */
export type FetchObject = (id: ObjectId, size: { bytes: number } | { bytesMax: number }) => Promise<Uint8Array>

/** Stored bytes of head and parts by id; what this node can hand to a peer that has no store. */
export type ManifestObjects = Map<ObjectId, Uint8Array>

/** Fetches and checks a whole manifest. `objects` receives every object that was used. */
export async function loadManifest(
  root: Root,
  fetchObject: FetchObject,
  objects: ManifestObjects,
): Promise<LoadedManifest> {
  const head = await fetchObject(root, { bytesMax: HEAD_BYTES_MAX })
  const reader = new ManifestReader(head, root)
  objects.set(root, head)
  for (const part of reader.parts) {
    const stored = await fetchObject(part.id, { bytes: part.storedBytes })
    const actual = hashToId(stored)
    if (actual !== part.id) throw wrongObject(part.id, actual)
    objects.set(part.id, stored)
    reader.addPart(await decompressPart(stored, part.id, part.messageBytes))
  }
  return reader.finish()
}

export function fetchFromStore(store: ObjectStore, options: CallOptions): FetchObject {
  return async (id, size) => {
    const key = manifestKey(id)
    if ('bytesMax' in size) return store.get(key, size.bytesMax, options)
    const bytes = Buffer.allocUnsafeSlow(size.bytes)
    await store.getInto(key, bytes, options)
    return bytes
  }
}

async function decompressPart(stored: Uint8Array, id: ObjectId, messageBytes: number): Promise<Uint8Array> {
  try {
    return await decompress(stored, { maxOutputLength: messageBytes })
  } catch (cause) {
    throw new SwarmError('integrity', `part ${id} of the manifest does not decompress to ${messageBytes} bytes`, {
      blame: 'origin',
      cure: 'push the snapshot again',
      cause,
    })
  }
}

function wrongObject(expected: ObjectId, actual: ObjectId): SwarmError {
  return new SwarmError('integrity', `manifest object ${expected}: hash mismatch, got ${actual}`, {
    blame: 'origin',
    cure: 'push the snapshot again, which replaces nothing that is right',
  })
}
