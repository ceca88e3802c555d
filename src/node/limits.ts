// Bounds of the hub that no single island owns.

export { CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN } from '../snapshot/limits.ts'

export const MIB = 1024 * 1024

/** `--memory` unless given: chunk bytes in flight, being decoded and cached. */
export const MEMORY_BYTES_DEFAULT = 512 * MIB
export const MEMORY_BYTES_MIN = 128 * MIB

/** zstd level of chunks unless `--max` is given, and of manifest parts. */
export const ZSTD_LEVEL_DEFAULT = 3
export const ZSTD_LEVEL_MAX = 19
export const MANIFEST_ZSTD_LEVEL = 9
/** A push lists the store's chunks for so long at most before it asks for the first by itself. */
export const FIRST_LIST_MS = 10_000
/** One page of a thousand keys for this many chunks of a push: in a large store most of a page is of no use to it. */
export const CHUNKS_PER_LISTED_PAGE = 500
export const LISTED_PAGES_MAX = 100
/** Uploads at the same time. */
export const UPLOADS_DEFAULT = 8
export const UPLOADS_MAX = 64

/** How often a person sees a line when there is no terminal, and a program a progress line. */
export const PLAIN_PROGRESS_MS = 10_000
export const JSON_PROGRESS_MS = 500
export const TERMINAL_PROGRESS_MS = 200

/** After the tree is ready a node serves for at least this long if others still need it, or for as long as it joined. */
export const LINGER_MS_MIN = 60_000
/** A neighbour without progress for this long no longer holds us. */
export const LINGER_PEER_IDLE_MS = 30_000
export const LINGER_POLL_MS = 250
/** A first interrupt ends within this time, finished or not. */
export const SHUTDOWN_MS_MAX = 4_000

/** Nothing arrived for this long, and no source is left that could send the rest. */
export const STUCK_MS = 20_000
/** The same for chunks that the store does not have, while no peer is connected that might. */
export const STUCK_ALONE_MS = 3_000
/** Neither this node nor any connected peer has got on for this long. A slow link may need minutes for one chunk. */
export const STUCK_AMONG_PEERS_MS = 180_000
/** Before its first read from the store a node lets connections to peers that it has just found come up for so long. */
export const MEET_PEERS_MS = 1_500
/** How long a join without a store waits for its first peer unless `--wait` or `--deadline` say otherwise. */
export const FIRST_PEER_MS = 60_000
/** Between two looks at the store for what a join waits for. */
export const WAIT_POLL_MS_MIN = 2_000
export const WAIT_POLL_MS_MAX = 5_000
/** A join that waits for a source says so after this long: a dial that succeeds takes less. */
export const WAIT_TELL_MS = 1_000
/** One object of a manifest from one peer. */
export const OBJECT_REQUEST_MS = 20_000
export const OBJECT_RETRY_MS = 300

/** Snapshot records and swarm keys are tiny; anything larger is not ours. */
export const RECORD_BYTES_MAX = 4096
export const PUBLISH_ATTEMPTS_MAX = 20
export const SIMILAR_NAMES_MAX = 3
