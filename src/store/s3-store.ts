// An S3 bucket as an object store. One call is one request: no retries here (see retry-store.ts), one exception is a
// signature refused for the clock, which is sent once more with the server's time.

import { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { SwarmError } from '../base/errors.ts'
import { checkKey, checkPrefix, isStoreKey } from './keys.ts'
import {
  CONNECT_TIMEOUT_MS,
  CONNECTIONS_MAX,
  CREDENTIALS_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  LIST_PAGE_ENTRIES_MAX,
  LIST_PAGES_MAX,
  SLICE_BYTES_MIN,
} from './limits.ts'
import type { Meter, StoreRequestKind } from './meter.ts'
import type { CallOptions, GetOptions, ListPage, ObjectEntry, ObjectStore, PutOutcome } from './object-store.ts'
import { checkRange, type PaidTurn, type ReceiveOptions, receiveInto } from './s3-body.ts'
import { parseServiceFailure, type S3Place, translateS3Error } from './s3-errors.ts'
import { type S3Request, S3Transport } from './s3-transport.ts'
import type { Throttle } from './throttle.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface S3StoreOptions {
  /** For messages, without credentials. */
  readonly url: string
  readonly bucket: string
  /** Empty, or without slashes at its ends. */
  readonly prefix: string
  /** Undefined: the region's own endpoint at AWS. A given endpoint is addressed by path (`/bucket/key`). */
  readonly endpoint: string | undefined
  readonly region: string
  /** Undefined: the SDK's default chain (profile, single sign-on, container or instance role), refreshed by it. */
  readonly credentials: S3Credentials | undefined
  readonly hasEgressCost: boolean
  readonly meter: Meter
  readonly throttle?: Throttle
  /** Default IDLE_TIMEOUT_MS. */
  readonly idleTimeoutMs?: number
  /** Default CONNECT_TIMEOUT_MS. */
  readonly connectTimeoutMs?: number
}

export class S3Store implements ObjectStore {
  readonly url: string
  readonly hasEgressCost: boolean
  readonly #options: S3StoreOptions
  readonly #idleTimeoutMs: number
  readonly #keyPrefix: string
  readonly #transport: S3Transport
  readonly #client: S3Client
  #keyId: string | undefined

  /** Opens no connection. */
  constructor(options: S3StoreOptions) {
    this.url = options.url
    this.hasEgressCost = options.hasEgressCost
    this.#options = options
    this.#idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS
    this.#keyPrefix = options.prefix === '' ? '' : `${options.prefix}/`
    this.#transport = new S3Transport({
      connectionsMax: CONNECTIONS_MAX,
      connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      idleTimeoutMs: this.#idleTimeoutMs,
    })
    this.#client = new S3Client({
      region: options.region,
      ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint, forcePathStyle: true }),
      ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
      requestHandler: this.#transport,
      maxAttempts: 1,
      // Every object carries its own hash; the SDK's checksums cost a second pass and break older servers.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // With it the SDK opens a fresh connection for every upload of 2 MiB and more.
      expectContinueHeader: false,
      followRegionRedirects: false,
    })
    this.#client.middlewareStack.add((next) => (call) => next(leaveBodyUnsigned(call)), { step: 'build' })
  }

  /**
   * Looks the credentials up, so that their absence is known before any work. Throws `credentialsRefused`. Takes at
   * most CREDENTIALS_TIMEOUT_MS.
   */
  async resolveCredentials(): Promise<void> {
    const timeout = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => timeout.reject(Object.assign(new Error('timed out'), { name: 'CredentialsProviderError' })),
      CREDENTIALS_TIMEOUT_MS,
    )
    try {
      const found = await Promise.race([this.#client.config.credentials(), timeout.promise])
      this.#keyId = found.accessKeyId
    } catch (error) {
      throw translateS3Error(error, 'looking for credentials', this.#place())
    } finally {
      clearTimeout(timer)
    }
  }

  async getInto(key: string, into: Uint8Array, options: GetOptions = {}): Promise<void> {
    checkKey(key)
    const { offset = 0, signal } = options
    if (into.length === 0) return this.#expectObject(key, options)
    const doing = `GET ${key}`
    await this.#read(doing, into.length, signal, async (paid) => {
      const output = await this.#client.send(
        new GetObjectCommand({ ...this.#at(key), Range: `bytes=${offset}-${offset + into.length - 1}` }),
        sendOptions(signal),
      )
      const body = bodyOf(output, doing)
      const shape = destroyOnThrow(body, () => checkRange(output, { offset, bytes: into.length }, doing))
      await this.#receive(body, into, { ...shape, paid, signal, onBytes: options.onBytes })
    })
  }

  async get(key: string, maxBytes: number, options: CallOptions = {}): Promise<Buffer> {
    checkKey(key)
    const { signal } = options
    const doing = `GET ${key}`
    return this.#read(doing, maxBytes, signal, async (paid) => {
      const output = await this.#client.send(new GetObjectCommand(this.#at(key)), sendOptions(signal))
      const body = bodyOf(output, doing)
      const bytes = output.ContentLength
      if (bytes === undefined || bytes > maxBytes) {
        body.destroy()
        throw new SwarmError('integrity', `${doing} in ${this.url}: ${bytes ?? 'unknown'} bytes, at most ${maxBytes}`, {
          blame: 'origin',
        })
      }
      const into = Buffer.allocUnsafeSlow(bytes)
      await this.#receive(body, into, { skipBytes: 0, cutAtEnd: false, paid, signal, onBytes: undefined })
      return into
    })
  }

  async put(key: string, body: Uint8Array, options: CallOptions = {}): Promise<void> {
    checkKey(key)
    await this.#call('put', `PUT ${key}`, options.signal, async () => {
      this.#options.meter.countWritten(body.length)
      await this.#client.send(new PutObjectCommand({ ...this.#at(key), Body: body }), sendOptions(options.signal))
    })
  }

  async putIfAbsent(key: string, body: Uint8Array, options: CallOptions = {}): Promise<PutOutcome> {
    checkKey(key)
    return this.#call('put', `PUT ${key}`, options.signal, async () => {
      this.#options.meter.countWritten(body.length)
      try {
        const command = new PutObjectCommand({ ...this.#at(key), Body: body, IfNoneMatch: '*' })
        await this.#client.send(command, sendOptions(options.signal))
        return 'created'
      } catch (error) {
        if (parseServiceFailure(error).status === 412) return 'exists'
        throw error
      }
    })
  }

  async size(key: string, options: CallOptions = {}): Promise<number | undefined> {
    checkKey(key)
    return this.#call('size', `HEAD ${key}`, options.signal, async () => {
      try {
        const output = await this.#client.send(new HeadObjectCommand(this.#at(key)), sendOptions(options.signal))
        return output.ContentLength
      } catch (error) {
        if (parseServiceFailure(error).status === 404) return undefined
        throw error
      }
    })
  }

  async list(prefix: string, after?: string, options: CallOptions = {}): Promise<ListPage> {
    checkPrefix(prefix)
    const output = await this.#call('list', `LIST ${prefix}`, options.signal, () =>
      this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#options.bucket,
          Prefix: this.#keyPrefix + prefix,
          MaxKeys: LIST_PAGE_ENTRIES_MAX,
          ...(after === undefined ? {} : { StartAfter: this.#keyPrefix + after }),
        }),
        sendOptions(options.signal),
      ),
    )
    const found = output.Contents ?? []
    const entries: ObjectEntry[] = []
    let last = after
    for (const { Key = '', Size = 0, LastModified } of found) {
      const key = Key.slice(this.#keyPrefix.length)
      if ((last !== undefined && key <= last) || !Key.startsWith(this.#keyPrefix + prefix))
        throw this.#badListing(prefix, key)
      last = key
      // Whatever else lies in the bucket is none of ours, and no other call could name it.
      if (isStoreKey(key)) entries.push({ key, bytes: Size, modifiedMs: LastModified?.getTime() ?? 0 })
    }
    return { entries, next: output.IsTruncated === true ? last : undefined }
  }

  async listFolders(prefix: string, options: CallOptions = {}): Promise<readonly string[]> {
    checkPrefix(prefix)
    const below = this.#keyPrefix + prefix
    const folders: string[] = []
    let token: string | undefined
    for (let page = 0; page < LIST_PAGES_MAX; page++) {
      const output = await this.#call('list', `LIST ${prefix}`, options.signal, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#options.bucket,
            Prefix: below,
            Delimiter: '/',
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          sendOptions(options.signal),
        ),
      )
      for (const { Prefix = '' } of output.CommonPrefixes ?? []) {
        const folder = Prefix.slice(below.length, -1)
        if (isStoreKey(folder)) folders.push(folder)
      }
      const next = output.IsTruncated === true ? output.NextContinuationToken : undefined
      if (next === undefined) return folders
      if (next === token) break
      token = next
    }
    throw this.#badListing(prefix, folders.at(-1) ?? '')
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    checkKey(key)
    await this.#call('delete', `DELETE ${key}`, options.signal, async () => {
      try {
        await this.#client.send(new DeleteObjectCommand(this.#at(key)), sendOptions(options.signal))
      } catch (error) {
        if (parseServiceFailure(error).name !== 'NoSuchKey') throw error
      }
    })
  }

  clockSkewMs(): number | undefined {
    return this.#transport.clockSkewMs
  }

  async close(): Promise<void> {
    this.#client.destroy()
    this.#transport.destroy()
  }

  /** Runs one request and gives every failure its meaning. `run` may be called twice. */
  async #call<Result>(
    kind: StoreRequestKind,
    doing: string,
    signal: AbortSignal | undefined,
    run: () => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted()
    for (let clockCorrected = false; ; clockCorrected = true) {
      this.#options.meter.countRequest(kind)
      try {
        return await run()
      } catch (error) {
        signal?.throwIfAborted()
        if (!clockCorrected && parseServiceFailure(error).clockCorrected) continue
        throw translateS3Error(error, doing, this.#place())
      }
    }
  }

  /** One read within the rate limit, which is asked before the request: no answer waits half read behind older ones. */
  #read<Result>(
    doing: string,
    bytes: number,
    signal: AbortSignal | undefined,
    run: (paid: PaidTurn | undefined) => Promise<Result>,
  ): Promise<Result> {
    return this.#call('get', doing, signal, async () => {
      const { throttle } = this.#options
      if (throttle === undefined) return run(undefined)
      const turn = throttle.join()
      try {
        const creditBytes = Math.min(SLICE_BYTES_MIN, bytes)
        await turn.take(creditBytes, signal)
        return await run({ throttle, turn, creditBytes })
      } finally {
        turn.leave()
      }
    })
  }

  #receive(
    body: Readable,
    into: Uint8Array,
    options: Omit<ReceiveOptions, 'idleTimeoutMs' | 'onReceived'>,
  ): Promise<void> {
    return receiveInto(body, into, {
      ...options,
      idleTimeoutMs: this.#idleTimeoutMs,
      onReceived: (bytes) => this.#options.meter.countRead(bytes),
    })
  }

  async #expectObject(key: string, options: CallOptions): Promise<void> {
    if ((await this.size(key, options)) !== undefined) return
    throw new SwarmError('objectNotFound', `GET ${key} in ${this.url}: no such object`, { blame: 'origin' })
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#keyPrefix + key }
  }

  #place(): S3Place {
    const { bucket, credentials, endpoint, region } = this.#options
    return {
      url: this.url,
      bucket,
      endpoint: endpoint ?? `https://s3.${region}.amazonaws.com`,
      keyId: credentials?.accessKeyId ?? this.#keyId,
      clockSkewMs: this.clockSkewMs(),
    }
  }

  #badListing(prefix: string, key: string): SwarmError {
    return new SwarmError(
      'storeUnavailable',
      `LIST ${prefix} in ${this.url}: the server repeats itself or lists out of order, at ${JSON.stringify(key)}`,
      { blame: 'origin', cure: 'the endpoint does not list as S3 does; use another endpoint' },
    )
  }
}

function sendOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

/**
 * Over TLS nobody changes a body unseen. Its SHA-256, which the signature would cover, costs half a second of the main thread for
 * each GB of weights.
 */
function leaveBodyUnsigned<Call extends { request: unknown }>(call: Call): Call {
  const { protocol, body, headers } = call.request as S3Request
  if (protocol === 'https:' && body instanceof Uint8Array) headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
  return call
}

function bodyOf(output: GetObjectCommandOutput, doing: string): Readable {
  if (output.Body instanceof Readable) return output.Body
  throw new SwarmError('storeUnavailable', `${doing}: an answer without a body`, { blame: 'origin', retry: true })
}

/** A body that nobody reads holds its connection: a failed check must let go of it. */
function destroyOnThrow<Result>(body: Readable, check: () => Result): Result {
  try {
    return check()
  } catch (error) {
    body.destroy()
    throw error
  }
}
