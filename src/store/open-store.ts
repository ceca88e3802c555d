// From a URL and the environment to a store that is ready to use: which endpoint, region and credentials, and the
// wrappers around it. The S3 client is loaded only for stores that need it.

import { fileURLToPath } from 'node:url'
import { SwarmError } from '../base/errors.ts'
import { type StoreClock, systemClock } from './clock.ts'
import { isStoreKey } from './keys.ts'
import { Meter } from './meter.ts'
import type { ObjectStore } from './object-store.ts'
import { RetryStore } from './retry-store.ts'
import { Throttle } from './throttle.ts'

export interface OpenStoreOptions {
  /** `s3://bucket/prefix`, `r2://bucket/prefix` or `file:///dir`. */
  readonly url: string
  /** The AWS SDK's own variables, and R2_ACCOUNT_ID. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** From a ticket; wins over the environment. */
  readonly endpoint?: string
  /** From a ticket; wins over the environment. */
  readonly region?: string
  /** Limit of all reads together; default none. */
  readonly limitBytesPerSec?: number
  /** Default the system's. */
  readonly clock?: StoreClock
}

/** What another machine needs to open the same store, apart from credentials. */
export interface StoreDescription {
  readonly url: string
  /** Undefined for `file://` and for AWS's own endpoints. */
  readonly endpoint: string | undefined
  readonly region: string | undefined
}

export interface OpenedStore {
  /** Retries and limits included. */
  readonly store: ObjectStore
  /** Counts below the retries. */
  readonly meter: Meter
  readonly description: StoreDescription
}

interface Location {
  readonly scheme: 's3' | 'r2' | 'file'
  /** Of `s3` and `r2`. */
  readonly bucket: string
  /** Without slashes at its ends. */
  readonly prefix: string
  /** Of `file`. */
  readonly directory: string
  /** Normal form, for messages and tickets. */
  readonly url: string
}

const STORE_CURE = 'use s3://bucket/prefix, r2://bucket/prefix or file:///directory'
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/
const R2_DEV = /(^|\.)r2\.dev$/
/** R2 has one region; AWS takes this one where none is set. */
const R2_REGION = 'auto'
const DEFAULT_REGION = 'us-east-1'

/**
 * Opens a store without talking to it, except that missing credentials are noticed here. Throws `usage` for a URL or
 * endpoint that cannot work and `credentialsRefused` when no credentials are found. The caller closes the store.
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const location = parseStoreUrl(options.url)
  const clock = options.clock ?? systemClock
  const meter = new Meter()
  const limited =
    options.limitBytesPerSec === undefined ? {} : { throttle: new Throttle(options.limitBytesPerSec, clock) }
  if (location.scheme === 'file') {
    const { FileStore } = await import('./file-store.ts')
    const store = new FileStore({ url: location.url, directory: location.directory, meter, ...limited })
    const description = { url: location.url, endpoint: undefined, region: undefined }
    return { store: new RetryStore(store, clock), meter, description }
  }
  const { env } = options
  const endpoint = chooseEndpoint(location, options)
  const region = chooseRegion(location, options)
  const { S3Store } = await import('./s3-store.ts')
  const store = new S3Store({
    url: location.url,
    bucket: location.bucket,
    prefix: location.prefix,
    endpoint,
    region,
    credentials: credentialsFrom(env),
    hasEgressCost: location.scheme === 's3',
    meter,
    ...limited,
  })
  try {
    await store.resolveCredentials()
  } catch (error) {
    await store.close()
    throw error
  }
  return { store: new RetryStore(store, clock), meter, description: { url: location.url, endpoint, region } }
}

/** Throws `usage` for anything that is not the URL of a store. */
export function parseStoreUrl(url: string): Location {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)$/.exec(url)
  // The URL is not repeated here: one with a user part may hold a secret.
  if (match === null || match[2]?.includes('@')) {
    throw usage('not the URL of a store, or one with credentials or a query in it', STORE_CURE)
  }
  const [, scheme = '', authority = '', path = ''] = match
  if (R2_DEV.test(authority)) throw r2Dev()
  if (scheme === 'file') return parseFileUrl(url, authority)
  if (scheme !== 's3' && scheme !== 'r2') throw usage(`${url}: no kind of store is called ${scheme}://`, STORE_CURE)
  if (!BUCKET.test(authority)) throw usage(`${url}: ${scheme}:// needs the name of a bucket`, STORE_CURE)
  const prefix = path.replace(/^\/+|\/+$/g, '')
  if (prefix !== '' && !isStoreKey(prefix)) {
    throw usage(`${url}: the prefix may hold letters, digits, ".", "_", "-" and single "/"`, STORE_CURE)
  }
  const normal = `${scheme}://${authority}${prefix === '' ? '' : `/${prefix}`}`
  return { scheme, bucket: authority, prefix, directory: '', url: normal }
}

function parseFileUrl(url: string, authority: string): Location {
  if (authority !== '') throw usage(`${url}: a directory is written with three slashes`, STORE_CURE)
  let directory: string
  try {
    directory = fileURLToPath(url)
  } catch (error) {
    throw usage(`${url}: not the path of a directory`, STORE_CURE, error)
  }
  const trimmed = directory.replace(/\/+$/, '')
  if (trimmed === '') throw usage(`${url}: the root directory cannot be a store`, STORE_CURE)
  return { scheme: 'file', bucket: '', prefix: '', directory: trimmed, url: url.replace(/\/+$/, '') }
}

function chooseEndpoint(location: Location, { endpoint, env }: OpenStoreOptions): string | undefined {
  const account = env['R2_ACCOUNT_ID']
  const chosen =
    endpoint ||
    (location.scheme === 'r2' && account ? `https://${account}.r2.cloudflarestorage.com` : '') ||
    env['AWS_ENDPOINT_URL_S3'] ||
    env['AWS_ENDPOINT_URL']
  if (!chosen) {
    if (location.scheme === 's3') return undefined
    throw usage(
      `${location.url}: the account is not known`,
      'set R2_ACCOUNT_ID, or AWS_ENDPOINT_URL_S3 to the endpoint',
    )
  }
  const parsed = URL.canParse(chosen) ? new URL(chosen) : undefined
  const plain = parsed !== undefined && ['http:', 'https:'].includes(parsed.protocol)
  if (!plain || parsed.username !== '' || parsed.password !== '' || parsed.search !== '') {
    const cure = 'set AWS_ENDPOINT_URL_S3 (or R2_ACCOUNT_ID) to something like https://s3.example.com'
    throw usage(`${location.url}: the endpoint must be an http or https URL without credentials or query`, cure)
  }
  if (R2_DEV.test(parsed.hostname)) throw r2Dev()
  return parsed.href.replace(/\/+$/, '')
}

function chooseRegion(location: Location, { region, env }: OpenStoreOptions): string {
  const fallback = location.scheme === 'r2' ? R2_REGION : DEFAULT_REGION
  return region || env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || fallback
}

/** A named profile is left to the SDK, as is everything else that is not plainly in the environment. */
function credentialsFrom(env: OpenStoreOptions['env']) {
  const accessKeyId = env['AWS_ACCESS_KEY_ID']
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY']
  const sessionToken = env['AWS_SESSION_TOKEN']
  if (!accessKeyId || !secretAccessKey) return undefined
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
}

function r2Dev(): SwarmError {
  return usage(
    'r2.dev addresses are for trying out: they are slowed down and refuse bursts',
    'use r2://bucket/prefix with R2_ACCOUNT_ID and an R2 API token',
  )
}

function usage(message: string, cure: string, cause?: unknown): SwarmError {
  return new SwarmError('usage', message, { blame: 'caller', cure, cause })
}
