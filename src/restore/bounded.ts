// Runs work on many items, a few at a time, and stops at the first failure.

/** Resolves when `work` has settled for every item. After a failure no new item is started; the first error is thrown. */
export async function forEachBounded<Item>(
  items: Iterable<Item>,
  concurrency: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const failures: unknown[] = []
  const lane = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = iterator.next()
      if (next.done === true) return
      try {
        await work(next.value)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  if (failures.length > 0) throw failures[0]
}

/**
 * Does all items in one call, which says the place of the first that failed; that one is done alone, which finds the words for the error
 * or succeeds after all, and the rest again in one call.
 */
export async function inOneGo<Item>(
  items: readonly Item[],
  together: (rest: readonly Item[]) => Promise<number | undefined>,
  alone: (item: Item) => Promise<void>,
): Promise<void> {
  for (let rest = items; rest.length > 0; ) {
    const failed = await together(rest)
    if (failed === undefined) return
    for (const item of rest.slice(failed, failed + 1)) await alone(item)
    rest = rest.slice(failed + 1)
  }
}
