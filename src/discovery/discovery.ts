// Where peers may be. A discovery names candidates; whether they are dialled, and whether they belong to the swarm, is
// decided elsewhere.

/** A node that may be there. Addresses are multiaddrs; `peer` is its id where it is known. */
export interface DiscoveredPeer {
  readonly peer?: string
  readonly addresses: readonly string[]
  /** Whether some node has reached it there; undefined when nobody said. */
  readonly reachable?: boolean
}

/** What a node tells of itself. */
export interface OwnPresence {
  /** Sealed peer record with the node's addresses. */
  readonly record: Uint8Array
  /** Whether a peer has reached one of those addresses. */
  readonly reachable: boolean
}

/**
 * One source of candidates. No method throws or rejects for a failure outside: a discovery that finds nothing stays
 * silent, logs, and tries again by itself.
 */
export interface Discovery {
  /**
   * Begins to look. `onCandidates` is called with one or more candidates at a time, never after `stop`. Called once.
   * Resolves when the first look has ended, whatever it found.
   */
  start(onCandidates: (candidates: readonly DiscoveredPeer[]) => void): Promise<void>
  /** Asks for candidates soon, because there are too few peers. May be ignored when it comes too often. */
  look(): void
  /** What this node tells has changed. */
  announce(presence: OwnPresence): void
  /** Ends within seconds, and takes back what was told. May be called more than once. */
  stop(): Promise<void>
}

/** Time as discoveries need it; a test drives it by hand. */
export interface DiscoveryClock {
  /** Wall clock, milliseconds since 1970. */
  nowMs(): number
  /** Calls back once after `delayMs`, unless the returned function is called first. */
  schedule(delayMs: number, callback: () => void): () => void
}

/** The process's own clock and timers, which do not keep it alive. */
export const systemClock: DiscoveryClock = {
  nowMs: () => Date.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
