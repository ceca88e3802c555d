// Candidates that a person named: --peer options and the addresses in a ticket. They are named again whenever asked for,
// because a machine that is down now may be up later.

import type { DiscoveredPeer, Discovery } from './discovery.ts'

export class FixedPeers implements Discovery {
  readonly #peers: readonly DiscoveredPeer[]
  #onCandidates: ((candidates: readonly DiscoveredPeer[]) => void) | undefined

  /** Addresses that end in the same peer id are one candidate; one without a peer id is a candidate of its own. */
  constructor(addresses: readonly string[]) {
    const named = new Map<string, string[]>()
    const unnamed: DiscoveredPeer[] = []
    for (const address of new Set(addresses)) {
      const peer = /\/p2p\/([A-Za-z0-9]+)$/.exec(address)?.[1]
      if (peer === undefined) unnamed.push({ addresses: [address] })
      else named.set(peer, [...(named.get(peer) ?? []), address])
    }
    this.#peers = [...[...named].map(([peer, own]) => ({ peer, addresses: own })), ...unnamed]
  }

  async start(onCandidates: (candidates: readonly DiscoveredPeer[]) => void): Promise<void> {
    this.#onCandidates = onCandidates
    this.look()
  }

  look(): void {
    if (this.#peers.length > 0) this.#onCandidates?.(this.#peers)
  }

  announce(): void {
    // A ticket cannot be told anything.
  }

  async stop(): Promise<void> {
    this.#onCandidates = undefined
  }
}
