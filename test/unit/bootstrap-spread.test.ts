// Who gives the package to whom.

import assert from 'node:assert/strict'
import { type Giver, PackageSpread } from '../../src/bootstrap/spread.ts'

const URLS = ['http://10.0.0.1:4002/token']

/** Asks for so many hosts; `got` holds who is given what, as it comes. */
function ask(spread: PackageSpread, count: number, insistsOnHere = false): Giver[] {
  const got: Giver[] = []
  for (let index = 0; index < count; index++) void spread.ask(insistsOnHere).then((giver) => got.push(giver))
  return got
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the package', () => {
  it('goes to two hosts from here, and from them to the others, four at a time each', async () => {
    const spread = new PackageSpread()
    const got = ask(spread, 8)
    await settle()
    assert.deepEqual(
      got.map(({ host }) => host),
      [undefined, undefined],
    )
    for (const giver of got.slice(0, 2)) spread.ended(giver, true)
    await settle()
    assert.equal(got.length, 2, 'the others wait for what was promised')
    spread.offer('first', URLS)
    await settle()
    assert.deepEqual(
      got.slice(2).map(({ host }) => host),
      ['first', 'first', 'first', 'first'],
    )
    spread.offer('second', URLS)
    await settle()
    assert.deepEqual(
      got.slice(6).map(({ host }) => host),
      ['second', 'second'],
    )
    assert.equal(spread.sentFromHere, 2)
  })

  it('is sent again from here where a transfer failed, and where hosts cannot pass it on', async () => {
    const spread = new PackageSpread()
    const got = ask(spread, 5)
    await settle()
    const [first, second] = got
    assert.ok(first !== undefined && second !== undefined)
    spread.ended(first, false)
    await settle()
    assert.equal(got.length, 3, 'another host takes the turn of the failed one')
    spread.ended(second, true)
    spread.offersNothing()
    const third = got[2]
    assert.ok(third !== undefined)
    spread.ended(third, true)
    spread.offersNothing()
    await settle()
    assert.deepEqual(
      got.slice(3).map(({ host }) => host),
      [undefined, undefined],
    )
  })

  it('goes from here to a host that cannot reach those that have it', async () => {
    const spread = new PackageSpread()
    const got = ask(spread, 1)
    await settle()
    const [first] = got
    assert.ok(first !== undefined)
    spread.ended(first, true)
    spread.offer('first', URLS)
    const [stubborn] = await Promise.all([spread.ask(true)])
    assert.equal(stubborn.host, undefined)
  })

  it('is asked elsewhere once a host no longer offers it', async () => {
    const spread = new PackageSpread()
    const got = ask(spread, 3)
    await settle()
    for (const giver of got.slice(0, 2)) spread.ended(giver, true)
    spread.offersNothing()
    spread.offer('second', URLS)
    await settle()
    assert.equal(got[2]?.host, 'second')
    spread.withdraw('second')
    const again = ask(spread, 1)
    await settle()
    assert.equal(again[0]?.host, undefined)
  })
})
