// What every discovery promises, run on each implementation.

import assert from 'node:assert/strict'
import type { DiscoveredPeer, Discovery } from '../../src/discovery/discovery.ts'

export interface DiscoveryUnderTest {
  readonly discovery: Discovery
  /** The candidates that it must come to name, by their addresses. */
  readonly expected: readonly string[]
  /** Lets time pass until it has looked, or looked again. */
  readonly pass: () => Promise<void>
}

export function describeDiscovery(name: string, create: () => Promise<DiscoveryUnderTest> | DiscoveryUnderTest): void {
  describe(`${name} as a discovery`, () => {
    function collect() {
      const heard: DiscoveredPeer[] = []
      let calls = 0
      return {
        heard,
        calls: () => calls,
        onCandidates: (candidates: readonly DiscoveredPeer[]) => {
          assert.ok(candidates.length > 0, 'called without candidates')
          calls++
          heard.push(...candidates)
        },
      }
    }

    const addresses = (heard: readonly DiscoveredPeer[]) => heard.flatMap((peer) => peer.addresses).sort()

    it('names its candidates after start', async () => {
      const { discovery, expected, pass } = await create()
      const { heard, onCandidates } = collect()
      discovery.start(onCandidates)
      await pass()
      assert.deepEqual(addresses(heard), [...expected].sort())
      await discovery.stop()
    })

    it('names nobody before start', async () => {
      const { discovery, pass } = await create()
      discovery.look()
      await pass()
      await discovery.stop()
    })

    it('names them again when asked to look', async () => {
      const { discovery, expected, pass } = await create()
      const { heard, onCandidates } = collect()
      discovery.start(onCandidates)
      await pass()
      heard.length = 0
      discovery.look()
      await pass()
      assert.deepEqual(new Set(addresses(heard)), new Set(expected))
      await discovery.stop()
    })

    it('names nobody after stop, and may be stopped twice', async () => {
      const { discovery, pass } = await create()
      const { calls, onCandidates } = collect()
      discovery.start(onCandidates)
      await discovery.stop()
      const before = calls()
      discovery.look()
      discovery.announce({ record: new Uint8Array(1), reachable: true })
      await pass()
      await discovery.stop()
      assert.equal(calls(), before)
    })
  })
}
