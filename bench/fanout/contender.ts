// What every way of copying the file has in common for the one who measures it.

/** One copy of the file to all hosts, under way. */
export interface Transfer {
  /** Wall clock, ms, at which each host had the whole file. Rejects when one cannot get it. */
  readonly finished: Promise<readonly number[]>
  /** Ends what still runs on the hosts and waits for it; safe after a failure. Returns what is worth noting. */
  end(): Promise<Readonly<Record<string, unknown>>>
}

/** What the origin runs for the time of one transfer. */
export interface OriginService {
  readonly pids: readonly number[]
  stop(): Promise<void>
}

export interface Contender {
  readonly name: string
  /** How many hosts receive the file; the others have it from the beginning. */
  readonly receivers: readonly number[]
  /** Whether modification times arrive too. */
  readonly keepsTimes: boolean
  /** Why it cannot take part, with a cure, or undefined. */
  unavailable(): string | undefined
  /** Once, before the first run. */
  prepare(): Promise<void>
  serve(): Promise<OriginService>
  /** The clock starts just before. `label` names the run. */
  start(label: string): Promise<Transfer>
}

export const NOTHING_SERVED: OriginService = { pids: [], stop: async () => undefined }
