// Every bound of the restore folder.

export const MIB = 1024 * 1024

/** Descriptors of files that are being written or read back; a pinned one is never closed. */
export const OPEN_FILES_MAX = 128
/** Chunks that wait to be decoded with their buffers, beside one for each thread; and all of them where a GPU takes many at once. */
export const STORES_WAITING = 2
export const DEVICE_STORES = 64
/** Files that get their final names in one go, and how often that is done at the same time. */
export const BATCH_FILES = 512
export const BATCHES_MAX = 2
/** A commit starts when this much was written since the last one, or after the interval. */
export const COMMIT_BYTES = 512 * MIB
export const COMMIT_INTERVAL_MS = 1000
/** A lock of another host whose heartbeat is older than this is taken over. */
export const LOCK_STALE_MS = 60_000
export const LOCK_HEARTBEAT_MS = 10_000
export const LOCK_POLL_MS = 200
/** Lock and result files larger than this are not read. */
export const STATE_FILE_BYTES_MAX = 1 * MIB
/** Free space that must remain on the destination's file system beyond the snapshot itself. */
export const FREE_SPACE_RESERVE_BYTES = 32 * MIB
