import assert from 'node:assert/strict'
import {
  describeError,
  EXIT_CODES,
  InvariantError,
  invariant,
  isSwarmError,
  SwarmError,
  systemErrorCode,
  unreachable,
} from '../../src/base/errors.ts'

describe('errors', () => {
  it('tells a SwarmError from an ordinary error, undefined and a look-alike', () => {
    assert.equal(isSwarmError(new SwarmError('integrity', 'x')), true)
    for (const other of [
      new Error('x'),
      undefined,
      null,
      'x',
      { name: 'SwarmError', code: 'integrity', message: 'x' },
    ]) {
      assert.equal(isSwarmError(other), false)
    }
  })

  it('reads the code of a system error and of nothing else', () => {
    assert.equal(systemErrorCode(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT')
    assert.equal(systemErrorCode(Object.assign(new Error('x'), { code: 2 })), undefined)
    for (const other of [new Error('x'), undefined, { code: 'ENOENT' }]) assert.equal(systemErrorCode(other), undefined)
  })

  it('describes any thrown value in one line of text', () => {
    assert.equal(describeError(new Error('disk on fire')), 'disk on fire')
    assert.equal(describeError(new TypeError('')), 'TypeError')
    assert.equal(describeError(undefined), 'undefined')
    assert.equal(describeError({ message: 'x' }), '[object Object]')
  })

  it('carries what policy reads, with defaults that promise nothing', () => {
    const plain = new SwarmError('networkUnavailable', 'dialling x')
    assert.deepEqual([plain.blame, plain.retry, plain.cure, plain.details], ['local', false, '', {}])
    assert.equal('cause' in plain, false)
    const cause = new Error('reset')
    const full = new SwarmError('integrity', 'm', { blame: 'peer', retry: true, cure: 'c', details: { n: 1 }, cause })
    assert.deepEqual([full.blame, full.retry, full.cure, full.details], ['peer', true, 'c', { n: 1 }])
    assert.equal(full.cause, cause)
    assert.equal(full.exitCode, 6)
  })

  it('never ends with exit code 0', () => {
    for (const [code, exit] of Object.entries(EXIT_CODES)) assert.ok(exit > 0 && exit < 256, code)
  })

  it('stops on a broken rule of our own with an error that is no SwarmError', () => {
    invariant(true, 'holds')
    assert.throws(() => invariant(false, 'broken'), InvariantError)
    assert.throws(() => unreachable('surprise' as never), /unexpected "surprise"/)
    assert.equal(isSwarmError(new InvariantError('x')), false)
  })
})
