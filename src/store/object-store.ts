// Objects by key: the interface to a bucket. Implementations translate; retry and rate limits are wrappers around them.

/** One entry of a listing. */
export interface ObjectEntry {
  readonly key: string
  readonly bytes: number
  /** By the server's clock, milliseconds since 1970. */
  readonly modifiedMs: number
}

export interface ListPage {
  readonly entries: readonly ObjectEntry[]
  /** Pass as `after` to get the next page; undefined on the last one. */
  readonly next: string | undefined
}

export interface CallOptions {
  /** Aborting rejects the call with the signal's reason and releases its connection. */
  readonly signal?: AbortSignal
}

export interface GetOptions extends CallOptions {
  /** First byte wanted, default 0. */
  readonly offset?: number
  /**
   * Called for each piece with its size in bytes, in order and once it lies in the buffer, before the whole is complete
   * or checked. After a failure the pieces reported so far are good to continue from.
   */
  readonly onBytes?: (bytes: number) => void
}

export type PutOutcome = 'created' | 'exists'

/**
 * Keys are relative to the store's prefix: ASCII letters, digits, `.`, `_`, `-`, `/`; at most 512 characters.
 * Failures are SwarmErrors with blame `origin` unless the caller must act: `objectNotFound`, `credentialsRefused`,
 * `storeUnavailable` (retry true when it may pass), `diskFull`/`diskPermission` for a directory.
 */
export interface ObjectStore {
  /** For messages: `s3://bucket/prefix`, `file:///dir`. Never holds a credential. */
  readonly url: string
  /** Whether reading costs the owner money or tokens per byte; false for `file://` and `r2://`. */
  readonly hasEgressCost: boolean

  /**
   * Reads exactly `into.length` bytes from `offset` (default 0) into the caller's buffer. After a failure the contents of
   * `into` are undefined, past what `onBytes` told of. A response of another length or another range is a failure, never
   * accepted.
   */
  getInto(key: string, into: Uint8Array, options?: GetOptions): Promise<void>

  /** A whole small object of at most `maxBytes`, newly allocated; larger ones are refused with `integrity`. */
  get(key: string, maxBytes: number, options?: CallOptions): Promise<Buffer>

  /** Creates or replaces. The buffer must not change until the call settles. */
  put(key: string, body: Uint8Array, options?: CallOptions): Promise<void>

  /**
   * Creates only: `exists` leaves what was there. Atomic among racing creators. After a lost answer `created` means
   * that the key holds these bytes, whoever wrote them.
   */
  putIfAbsent(key: string, body: Uint8Array, options?: CallOptions): Promise<PutOutcome>

  /** Size in bytes, or undefined when there is no such object. */
  size(key: string, options?: CallOptions): Promise<number | undefined>

  /** Entries whose key starts with `prefix`, in ascending byte order, at most 1,000 a page, after key `after`. */
  list(prefix: string, after?: string, options?: CallOptions): Promise<ListPage>

  /** The keys' next path components below `prefix` (which ends in `/` or is empty) that have children. */
  listFolders(prefix: string, options?: CallOptions): Promise<readonly string[]>

  /** Succeeds when the object is gone, also when it never was. */
  delete(key: string, options?: CallOptions): Promise<void>

  /** The server's clock minus ours in milliseconds, as last seen; undefined before the first answer. */
  clockSkewMs(): number | undefined

  close(): Promise<void>
}
