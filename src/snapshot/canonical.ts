// Protobuf from strangers, read so that one meaning has one encoding and no length field can make the reader allocate
// much more than the bytes that came (protocols/manifest.md, "Canonical form"). What the fields mean is judged elsewhere.

import { type DescMessage, fromBinary, type Message, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { SwarmError } from '../base/errors.ts'
import * as wire from '../generated/manifest_pb.ts'
import { type EntryMessage, EntryReader, framedBytes } from './entry-codec.ts'
import { EXTENTS_PER_FILE_MAX } from './limits.ts'

const EXTENTS_FIELD = 8

/** Throws `integrity`: the manifest breaks a rule of its format. */
export function fail(problem: string, cause?: unknown): never {
  throw new SwarmError('integrity', `the manifest is not valid: ${problem}`, {
    blame: 'origin',
    cure: 'nothing was written; push the snapshot again from its source',
    cause,
  })
}

/** Throws `unsupportedVersion`: the manifest says something that only a newer program can know. */
export function refuseNewer(what: string): never {
  throw new SwarmError('unsupportedVersion', `${what} is unknown to this version of swarm`, {
    blame: 'local',
    cure: 'install a newer swarm on this machine, or push the snapshot with this version',
  })
}

/** Reads a message that still has to pass proveCanonical. Throws `integrity`. */
export function parseMessage<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
  what: string,
): MessageShape<Schema> {
  return readable(what, () => fromBinary(schema, bytes))
}

/** Refuses unknown fields, in the message and in `nested`, and any encoding but the one that we would write. */
export function proveCanonical<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
  bytes: Uint8Array,
  what: string,
  nested: readonly Message[] = [],
): void {
  refuseUnknownField(message, what)
  for (const inner of nested) refuseUnknownField(inner, what)
  if (Buffer.compare(toBinary(schema, message), bytes) !== 0) fail(`the ${what} is not in canonical form`)
}

/** The entries of an entry part one after the other, so that only one is in memory as an object. */
export function* parseEntries(part: Uint8Array): Generator<EntryMessage> {
  const reader = new EntryReader(part)
  while (!reader.isAtEnd) yield reader.next() ?? parseOddEntry(reader, part)
}

/**
 * An entry that we would not write, or not so: says what is wrong with its form, or finds that nothing is. Numbers that fit no double
 * exactly are left to whoever judges the entry, since one of a newer type may have them.
 */
function parseOddEntry(entries: EntryReader, part: Uint8Array): EntryMessage {
  const reader = new BinaryReader(part.subarray(entries.position))
  const bytes = readable('entry part', () => {
    const [field, wireType] = reader.tag()
    if (field !== 1) refuseNewer(`field ${field} of the manifest's entry part`)
    if (wireType !== WireType.LengthDelimited) fail('an entry is not a message')
    return reader.bytes()
  })
  if (reader.pos !== framedBytes(bytes.length)) fail('the entry part is not in canonical form')
  checkExtentCount(bytes)
  const entry = parseMessage(wire.EntrySchema, bytes, 'entry')
  proveCanonical(wire.EntrySchema, entry, bytes, 'entry', entry.extents)
  entries.skipTo(entries.position + reader.pos)
  return {
    path: Buffer.from(entry.path),
    type: entry.type,
    mode: entry.mode,
    mtimeSeconds: Number(entry.mtimeSeconds),
    mtimeNanos: entry.mtimeNanos,
    size: Number(entry.size),
    target: Buffer.from(entry.target),
    extents: entry.extents.map(({ firstChunk, offset, length }) => ({
      firstChunk,
      offset,
      length: Number(length),
    })),
  }
}

/** Counts before the message is parsed: an empty extent has two bytes on the wire and a hundred as an object. */
function checkExtentCount(entry: Uint8Array): void {
  const reader = new BinaryReader(entry)
  let extents = 0
  readable('entry', () => {
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag()
      reader.skip(wireType, field)
      if (field === EXTENTS_FIELD) extents++
    }
  })
  if (extents > EXTENTS_PER_FILE_MAX) fail(`a file of ${extents} extents, more than ${EXTENTS_PER_FILE_MAX}`)
}

function refuseUnknownField(message: Message, what: string): void {
  const unknown = message.$unknown?.[0]
  if (unknown !== undefined) refuseNewer(`field ${unknown.no} of the manifest's ${what}`)
}

function readable<Result>(what: string, read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof SwarmError) throw cause
    return fail(`its ${what} is not readable`, cause)
  }
}
