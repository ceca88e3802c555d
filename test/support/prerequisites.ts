// What a test needs from the machine. Without it the test is skipped and says why; where SWARM_TEST_REQUIRE names it, as
// continuous integration does, that is a failure.

/** Whether SWARM_TEST_REQUIRE, a comma-separated list, names `part`. */
export function requires(part: string): boolean {
  return (process.env['SWARM_TEST_REQUIRE'] ?? '').split(',').includes(part)
}

/** In a `before` hook: skips its suite when there is a `reason` why `part` cannot be had here. */
export function needPart(context: Mocha.Context, part: string, reason: string | undefined): void {
  if (reason === undefined) return
  if (requires(part)) throw new Error(`SWARM_TEST_REQUIRE names ${part}, but this machine ${reason}`)
  console.log(`      skipped: ${reason}`)
  context.skip()
}
