// Does something again and again for a while, several times at once: what every measurement of a rate needs.

/**
 * `work` runs `together` at a time until `ms` have passed; what is under way then is aborted, and that ends it well. Resolves
 * with the seconds that it took. Throws what `work` throws before the end, and the reason of `signal`.
 */
export async function repeatFor(
  ms: number,
  together: number,
  signal: AbortSignal,
  work: (lane: number, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const over = new AbortController()
  const both = AbortSignal.any([signal, over.signal])
  const began = performance.now()
  const timer = setTimeout(() => over.abort(), ms)
  const repeat = async (lane: number): Promise<void> => {
    while (!both.aborted)
      await work(lane, both).catch((error: unknown) => {
        if (!both.aborted) throw error
      })
  }
  try {
    await Promise.all(Array.from({ length: together }, (_, lane) => repeat(lane)))
  } finally {
    clearTimeout(timer)
    over.abort()
  }
  signal.throwIfAborted()
  return (performance.now() - began) / 1000
}
