// swarm as a user runs it: `swarm seed` and `swarm join` with its ticket, chunks as they are, over data connections.

import { LISTEN, SwarmProcess } from '../swarm-process.ts'
import type { Contender, Place, Receiver, Sender } from './contender.ts'

export class SwarmEnds implements Contender {
  readonly name = 'swarm'
  readonly protection = 'encrypted'
  readonly cipher = 'AES-256-GCM'
  readonly #place: Place
  #ticket = ''

  constructor(place: Place) {
    this.#place = place
  }

  unavailable(): undefined {
    return undefined
  }

  async prepare(): Promise<void> {}

  async serve(): Promise<Sender> {
    const state = ['--state', `${this.#place.folder}/swarm-state`]
    const seed = new SwarmProcess(['seed', this.#place.sourceFolder, '--codec', 'raw', ...state, ...LISTEN])
    this.#ticket = String((await seed.line('listening'))['ticket'])
    return { pid: seed.child.pid ?? 0, settled: async () => undefined, end: () => seed.end() }
  }

  fetch(): Receiver {
    const join = new SwarmProcess(['join', this.#ticket, this.#place.targetFolder, ...LISTEN, '--linger', '0'])
    return {
      complete: join.line('ready'),
      end: async () => {
        const code = await join.ended
        if (code !== 0) throw new Error(`the join ended with ${code}: ${join.stderr}`)
      },
    }
  }
}
