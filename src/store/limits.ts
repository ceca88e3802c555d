// Every bound of this folder: sizes, waits, retries. Nothing else in the folder holds a magic number.

/** Longest key relative to the store's prefix; S3 itself allows 1,024 bytes with the prefix. */
export const KEY_LENGTH_MAX = 512
/** Entries of one listing page: what S3 gives at most. */
export const LIST_PAGE_ENTRIES_MAX = 1_000
/** Pages of one folder listing, so that a server that repeats itself cannot hold us. */
export const LIST_PAGES_MAX = 10_000

/** Open sockets to the endpoint. R2 slows an address down beyond about this many. */
export const CONNECTIONS_MAX = 48
/** From the start of a connection to its end, TLS included. Waiting for a free connection does not count. */
export const CONNECT_TIMEOUT_MS = 5_000
/** Without one byte in either direction. */
export const IDLE_TIMEOUT_MS = 20_000
/** Looking for credentials in the environment, the profile files and the instance's metadata service. */
export const CREDENTIALS_TIMEOUT_MS = 10_000
/** Bytes thrown away to reach the wanted range when a server sends the whole object instead. */
export const SKIP_BYTES_MAX = 64 * 1024 * 1024

/** Attempts of one call. With the waits below this outlasts an outage of a minute with a wide margin. */
export const ATTEMPTS_MAX = 20
/** Attempts while the endpoint never answered at all: most likely a wrong address, so say it within seconds. */
export const FIRST_CONTACT_ATTEMPTS_MAX = 6
/** The n-th wait is drawn from 0 to BACKOFF_BASE_MS * 2^n, at most BACKOFF_CAP_MS. */
export const BACKOFF_BASE_MS = 200
export const BACKOFF_CAP_MS = 15_000
/** A longer Retry-After is cut to this. */
export const RETRY_AFTER_CAP_MS = 60_000
/** Calls at once of one retrying store; halved at each sign of overload, raised again by success. */
export const CALLS_AT_ONCE_MAX = 64

/** How much of the rate may pass at once after a pause: a busy process that wakes late must not lose what it was granted. */
export const BURST_SECONDS = 0.25
/** What one connection surely carries: a rate limit lets as many reads start as it needs of these, and two more. */
export const CONNECTION_BYTES_PER_SEC = 16_000_000
/** A rate limit is spent in slices of this size or less. */
export const SLICE_BYTES_MAX = 256 * 1024
export const SLICE_BYTES_MIN = 16 * 1024

/** One positional read of a file when no rate limit asks for less. */
export const FILE_READ_BYTES_MAX = 8 * 1024 * 1024
/** A temporary file this old belongs to a process that died. */
export const TEMPORARY_AGE_MAX_MS = 24 * 3_600_000
/** Tries to place a file while others remove the empty folder it goes to. */
export const PLACE_ATTEMPTS_MAX = 16
/** Entries of a directory looked at in parallel. */
export const STAT_CONCURRENCY_MAX = 32
