import assert from 'node:assert/strict'
import { UnsentLimit } from '../../src/exchange/unsent-limit.ts'

const KIB = 1024
const MB = 1_000_000

/** Feeds a limit with what a connection sends every 10 ms, and keeps what it set. */
class Connection {
  readonly set: number[] = []
  readonly #limit = new UnsentLimit((bytes) => this.set.push(bytes))
  #nowMs = 1000

  send(bytesPerSecond: number, seconds: number, isBlocked = true): void {
    for (const end = this.#nowMs + seconds * 1000; this.#nowMs < end; this.#nowMs += 10)
      this.#limit.sent(bytesPerSecond / 100, isBlocked, this.#nowMs)
  }

  pause(seconds: number): void {
    this.#nowMs += seconds * 1000
  }
}

describe('the limit of what is unsent', () => {
  it('is what a full connection sends in 40 ms, within its bounds', () => {
    const connection = new Connection()
    connection.send(10 * MB, 1)
    assert.equal(connection.set.length, 1)
    assert.ok(Math.abs((connection.set[0] ?? 0) / (0.4 * MB) - 1) < 0.1, `${connection.set}`)
    const slow = new Connection()
    slow.send(0.1 * MB, 1)
    assert.deepEqual(slow.set, [32 * KIB])
  })

  it('leaves the system its own for a connection that needs more than that', () => {
    const connection = new Connection()
    connection.send(1000 * MB, 2)
    assert.deepEqual(connection.set, [])
  })

  it('follows the rate both ways while the connection is full, and not for small changes', () => {
    const connection = new Connection()
    connection.send(10 * MB, 1)
    connection.send(11 * MB, 2)
    assert.equal(connection.set.length, 1)
    connection.send(40 * MB, 2)
    assert.ok((connection.set.at(-1) ?? 0) > 1.5 * MB)
    connection.send(5 * MB, 2)
    assert.ok(Math.abs((connection.set.at(-1) ?? 0) / (0.2 * MB) - 1) < 0.1, `${connection.set}`)
  })

  it('takes nothing from a connection that has nothing more to send, and gives it more when it has', () => {
    const connection = new Connection()
    connection.send(1 * MB, 2, false)
    assert.deepEqual(connection.set, [])
    connection.send(10 * MB, 1)
    const before = connection.set.at(-1) ?? 0
    connection.send(1 * MB, 2, false)
    assert.equal(connection.set.at(-1), before)
    connection.send(60 * MB, 2, false)
    assert.ok((connection.set.at(-1) ?? 0) > 4 * before)
  })

  it('does not take a pause for slowness', () => {
    const connection = new Connection()
    for (let burst = 0; burst < 8; burst++) {
      connection.send(10 * MB, 0.2)
      connection.pause(3)
    }
    assert.deepEqual(connection.set, [])
  })
})
