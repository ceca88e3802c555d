// What can go wrong and what the caller may do about it. Policy reads `code`, `blame` and `retry`, never the text.
// Expected outcomes are values elsewhere; our own bugs are `invariant()`.

/** Every failure that leaves a module, with the process exit code that it leads to (DESIGN section 5). */
export const EXIT_CODES = {
  internal: 1,
  usage: 2,
  unsupportedVersion: 2,
  sourceChanged: 3,
  credentialsRefused: 4,
  storeUnavailable: 5,
  networkUnavailable: 5,
  integrity: 6,
  diskFull: 7,
  diskPermission: 7,
  diskFailed: 7,
  snapshotNotFound: 8,
  objectNotFound: 6,
  gpuUnusable: 9,
  destinationLocked: 10,
  deadlineReached: 11,
  someHostsFailed: 12,
  allHostsFailed: 13,
  interrupted: 130,
  terminated: 143,
} as const

export type ErrorCode = keyof typeof EXIT_CODES

/** Who must act. `caller`: the person or program that called us; `local`: this machine. */
export type Blame = 'peer' | 'origin' | 'local' | 'caller'

export interface SwarmErrorInit {
  /** One line that tells the person what to do next. */
  readonly cure?: string
  readonly blame?: Blame
  /** Whether the same call may succeed later without anyone acting. Default false. */
  readonly retry?: boolean
  /** Values for programs: sizes, ids, paths. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** A failure that a caller can act on. `message` says what was being done to what. */
export class SwarmError extends Error {
  override readonly name = 'SwarmError'
  readonly code: ErrorCode
  readonly blame: Blame
  readonly retry: boolean
  readonly cure: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, init: SwarmErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.code = code
    this.blame = init.blame ?? 'local'
    this.retry = init.retry ?? false
    this.cure = init.cure ?? ''
    this.details = init.details ?? {}
  }

  get exitCode(): number {
    return EXIT_CODES[this.code]
  }
}

export function isSwarmError(value: unknown): value is SwarmError {
  return value instanceof SwarmError
}

/** Whether a text is one of our codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(EXIT_CODES, text)
}

/** `code` of a Node system error such as ENOENT, or undefined for anything else. */
export function systemErrorCode(value: unknown): string | undefined {
  if (!(value instanceof Error) || !('code' in value)) return undefined
  return typeof value.code === 'string' ? value.code : undefined
}

/** One line of text for any thrown value. */
export function describeError(value: unknown): string {
  if (value instanceof Error) return value.message.length > 0 ? value.message : value.name
  return String(value)
}

/** A broken rule of our own. Never used for bytes from outside. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(`invariant: ${message}`)
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new InvariantError(`invariant: unexpected ${JSON.stringify(value)}`)
}
