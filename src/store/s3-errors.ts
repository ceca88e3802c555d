// What a failed S3 call means: one SwarmError for everything that the SDK, Node or the server can throw.

import { describeError, SwarmError, type SwarmErrorInit, systemErrorCode } from '../base/errors.ts'

/** Where the call went, for messages. Holds no secret. */
export interface S3Place {
  readonly url: string
  readonly endpoint: string
  readonly bucket: string
  /** The public half of the credentials; undefined before they were found. */
  readonly keyId: string | undefined
  readonly clockSkewMs: number | undefined
}

/** What the SDK attaches to a failure, as far as we use it. Absent fields are undefined. */
export interface ServiceFailure {
  readonly name: string
  readonly message: string
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string>>
  /** The SDK learnt the server's time from this answer and will sign the next request with it. */
  readonly clockCorrected: boolean
}

export const CREDENTIALS_CURE =
  'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to credentials that may use this bucket'

/** Beyond this, S3 refuses signatures. */
const SKEW_REFUSED_MS = 15 * 60_000

const REFUSED = new Set(['ExpiredToken', 'ExpiredTokenException', 'InvalidToken', 'TokenRefreshRequired'])
/** Failures with a status of 4xx that are nobody's mistake. */
const PASSING = new Set([
  'BadDigest',
  'ConditionalRequestConflict',
  'IncompleteBody',
  'OperationAborted',
  'RequestTimeout',
  'XAmzContentSHA256Mismatch',
])
const UNREACHABLE = new Set(['EAI_AGAIN', 'ECONNREFUSED', 'ECONNTIMEOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'])
const CUT = new Set(['ECONNABORTED', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ETIMEDOUT'])

/** `doing` is what was tried, such as `GET chunks/ab/abcd`. */
export function translateS3Error(error: unknown, doing: string, place: S3Place): SwarmError {
  if (error instanceof SwarmError) return error
  const failure = parseServiceFailure(error)
  const what = `${doing} in ${place.url} (endpoint ${place.endpoint})`
  if (failure.name === 'CredentialsProviderError') {
    return new SwarmError('credentialsRefused', `${what}: no credentials found`, {
      blame: 'caller',
      cure: CREDENTIALS_CURE,
      cause: error,
    })
  }
  if (failure.status === undefined) return translateBroken(error, what, place)
  return translateAnswer({ ...failure, status: failure.status }, error, what, place)
}

/** Reads the SDK's error fields from anything that was thrown. */
export function parseServiceFailure(error: unknown): ServiceFailure {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as {
    Code?: unknown
    $metadata?: { httpStatusCode?: unknown; clockSkewCorrected?: unknown }
    $response?: { statusCode?: unknown; headers?: Record<string, string> }
  }
  const status = fields.$metadata?.httpStatusCode ?? fields.$response?.statusCode
  return {
    name: typeof fields.Code === 'string' ? fields.Code : error instanceof Error ? error.name : '',
    message: describeError(error),
    status: typeof status === 'number' ? status : undefined,
    headers: fields.$response?.headers ?? {},
    clockCorrected: fields.$metadata?.clockSkewCorrected === true,
  }
}

/** The server answered, with a status that is not a success. */
function translateAnswer(
  failure: ServiceFailure & { readonly status: number },
  cause: unknown,
  what: string,
  place: S3Place,
): SwarmError {
  const { name, status, headers } = failure
  const message = `${what}: ${describeAnswer(failure)}`
  const origin = { blame: 'origin', cause, details: { status, name } } as const
  if (status === 401 || status === 403 || REFUSED.has(name)) return refused(message, place, origin)
  if (name === 'NoSuchBucket') {
    const cure = `create the bucket ${place.bucket} or correct --store; the endpoint asked was ${place.endpoint}`
    return new SwarmError('storeUnavailable', message, { ...origin, blame: 'caller', cure })
  }
  if (status === 404) return new SwarmError('objectNotFound', message, origin)
  if (status === 416) return new SwarmError('integrity', `${message} (the object is shorter than expected)`, origin)
  if (status >= 300 && status < 400) {
    const cure = 'redirects are never followed: set AWS_ENDPOINT_URL_S3 and AWS_REGION to where the bucket really is'
    return new SwarmError('storeUnavailable', message, { ...origin, blame: 'caller', cure })
  }
  if (name === 'AuthorizationHeaderMalformed') {
    const cure = "set AWS_REGION to the bucket's region"
    return new SwarmError('storeUnavailable', message, { ...origin, blame: 'caller', cure })
  }
  const overload = status === 429 || (status >= 500 && status !== 501)
  const retryAfterMs = parseRetryAfterMs(headers['retry-after'], headers['date'])
  return new SwarmError('storeUnavailable', message, {
    ...origin,
    retry: overload || PASSING.has(name),
    cure: overload ? 'the store is overloaded or down; try again later' : '',
    details: { status, name, overload, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  })
}

function refused(message: string, place: S3Place, init: SwarmErrorInit): SwarmError {
  const skewMs = place.clockSkewMs ?? 0
  const clock =
    Math.abs(skewMs) > SKEW_REFUSED_MS
      ? `; this machine's clock is ${Math.round(Math.abs(skewMs) / 1000)} s ${skewMs > 0 ? 'slow' : 'fast'}, which alone causes this: correct it`
      : ''
  return new SwarmError(
    'credentialsRefused',
    `${message}; bucket ${place.bucket}, access key id ${place.keyId ?? 'unknown'}${clock}`,
    { ...init, blame: 'caller', cure: CREDENTIALS_CURE },
  )
}

/** No complete answer: the connection could not be made or did not hold. */
function translateBroken(error: unknown, what: string, place: S3Place): SwarmError {
  const code = systemErrorCode(error) ?? ''
  const text = error instanceof Error && error.message !== '' ? error.message : code || describeError(error)
  const base = { blame: 'origin', cause: error } as const
  if (UNREACHABLE.has(code)) {
    return new SwarmError('storeUnavailable', `${what}: cannot be reached: ${text}`, {
      ...base,
      retry: true,
      cure: `check that ${place.endpoint} is the right endpoint and can be reached from this machine`,
      details: { systemCode: code, unreachable: true },
    })
  }
  if (/^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO|HOSTNAME_MISMATCH)/.test(code)) {
    return new SwarmError('storeUnavailable', `${what}: TLS failed: ${text} (${code})${describeIssuer(error)}`, {
      ...base,
      cure: `the certificate of ${place.endpoint} is not trusted here; NODE_EXTRA_CA_CERTS names a file of further ones`,
      details: { systemCode: code },
    })
  }
  const cut = CUT.has(code) || code.startsWith('HPE_')
  return new SwarmError('storeUnavailable', `${what}: ${cut ? 'connection lost: ' : ''}${text}`, {
    ...base,
    retry: cut,
    details: { systemCode: code },
  })
}

function describeAnswer({ name, message, status, headers }: ServiceFailure): string {
  const place = headers['location'] === undefined ? '' : ` to ${hostOf(headers['location'])}`
  const region = headers['x-amz-bucket-region'] === undefined ? '' : `, region ${headers['x-amz-bucket-region']}`
  const text = message === '' || message === 'UnknownError' || message === name ? '' : `: ${message.slice(0, 200)}`
  return `answered ${status} ${name}${place}${region}${text}`
}

function describeIssuer(error: unknown): string {
  const { cert } = (error instanceof Error ? error : {}) as { cert?: { issuer?: { O?: unknown; CN?: unknown } } }
  const issuer = cert?.issuer?.O ?? cert?.issuer?.CN
  return typeof issuer === 'string' ? `, issued by ${issuer}` : ''
}

/** A redirect's target may carry a signature; its host is enough. */
function hostOf(location: string): string {
  return URL.canParse(location) ? new URL(location).host : 'another path'
}

/** Seconds or an HTTP date, which is taken relative to the answer's own Date header. */
function parseRetryAfterMs(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const waitMs = Date.parse(value) - Date.parse(date ?? '')
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs)
}
