// Time and chance as the store sees them, so that tests can own both.

import { setTimeout as sleepFor } from 'node:timers/promises'

export interface StoreClock {
  /** Monotonic milliseconds with an arbitrary start. */
  nowMs(): number
  /** Resolves after `durationMs`; aborting rejects with the signal's reason. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>
  /** Uniform in [0, 1). */
  random(): number
}

export const systemClock: StoreClock = {
  nowMs: () => performance.now(),
  sleep: async (durationMs, signal) => {
    signal?.throwIfAborted()
    try {
      await sleepFor(durationMs, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  },
  random: Math.random,
}
