import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isSwarmError, type SwarmError } from '../../src/base/errors.ts'
import { objectId } from '../../src/base/ids.ts'
import {
  chunkKey,
  manifestKey,
  parseSnapshotKey,
  parseSnapshotName,
  presencePrefix,
  snapshotKey,
  snapshotNameProblem,
  snapshotPrefix,
  swarmKeyKey,
} from '../../src/snapshot/object-keys.ts'
import { isStoreKey } from '../../src/store/keys.ts'

const ID = objectId('ab'.repeat(32))
const component = fc
  .stringMatching(/^[A-Za-z0-9._-]{1,20}$/)
  .filter((text) => text !== '.' && !/\.\.|^[0-9]{12}$/.test(text))
const name = fc.array(component, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))
const sequence = fc.integer({ min: 1, max: 999_999_999_999 })

function usageError(run: () => unknown): SwarmError {
  try {
    run()
  } catch (error) {
    assert.ok(isSwarmError(error))
    assert.deepEqual([error.code, error.blame], ['usage', 'caller'])
    assert.notEqual(error.cure, '')
    return error
  }
  return assert.fail('nothing was thrown')
}

describe('object keys', () => {
  it('spells each kind of key in its own folder', () => {
    assert.equal(chunkKey(ID), `chunks/ab/${ID}`)
    assert.equal(manifestKey(ID), `manifests/${ID}`)
    assert.equal(swarmKeyKey(ID), `keys/${ID}`)
    assert.equal(presencePrefix(ID), `swarms/${ID}/`)
    assert.equal(snapshotPrefix('team/run-12'), 'snapshots/team/run-12/')
    assert.equal(snapshotKey('team/run-12', 3), 'snapshots/team/run-12/000000000003')
  })

  it('reads back the name and the sequence of a snapshot key that every store accepts', () => {
    fc.assert(
      fc.property(name, sequence, (name, sequence) => {
        const key = snapshotKey(name, sequence)
        assert.deepEqual(parseSnapshotKey(key), { name, sequence })
        assert.ok(isStoreKey(key))
      }),
    )
  })

  it('sorts the keys of one name by sequence', () => {
    fc.assert(
      fc.property(sequence, sequence, (first, second) => {
        assert.equal(snapshotKey('n', first) < snapshotKey('n', second), first < second)
      }),
    )
  })

  it('takes no other key for a snapshot', () => {
    for (const key of [
      'snapshots/',
      'snapshots/x',
      'snapshots/000000000001',
      'snapshots/x/1',
      'snapshots/x/000000000000',
      'snapshots/x/0000000000001',
      'snapshots/x/00000000000a',
      'snapshots//000000000001',
      'snapshots/../000000000001',
      'snapshots/a//b/000000000001',
      'chunks/x/000000000001',
      'xsnapshots/x/000000000001',
    ]) {
      assert.equal(parseSnapshotKey(key), undefined, key)
    }
  })

  it('accepts names of 1 to 200 letters, digits, ".", "_", "-" and "/", without ".."', () => {
    for (const good of ['a', 'llama-70b', 'team/run_12', 'v1.0', '-x', 'a'.repeat(200)]) {
      assert.equal(snapshotNameProblem(good), undefined, good)
    }
    const bad = ['', 'a'.repeat(201), '/a', 'a/', 'a//b', '..', 'a/../b', 'a..b', '.', 'a/.', 'a b', 'é', 'a\n', 'a@b']
    for (const name of bad) assert.notEqual(snapshotNameProblem(name), undefined, JSON.stringify(name))
  })

  it('keeps names apart from the sequences of shorter names', () => {
    for (const name of ['a/000000000001', '202511231308/b']) assert.notEqual(snapshotNameProblem(name), undefined)
    for (const name of ['a/0000000000012', 'a/00000000001', 'run-202511231308']) {
      assert.equal(snapshotNameProblem(name), undefined, name)
    }
  })

  it('reads a name with and without a root', () => {
    assert.deepEqual(parseSnapshotName('a/b'), { name: 'a/b', root: undefined })
    assert.deepEqual(parseSnapshotName(`a/b@${ID}`), { name: 'a/b', root: ID })
    for (const text of ['', '@', 'a@', 'a@b', `a@${ID}0`, `a@${ID.toUpperCase()}`, `@${ID}`, 'a b']) {
      usageError(() => parseSnapshotName(text))
    }
  })

  it('quotes what was typed without control characters and not at length', () => {
    assert.ok(!usageError(() => parseSnapshotName('a\u001b[2J')).message.includes('\u001b'))
    const secret = 'k'.repeat(80)
    assert.ok(!usageError(() => parseSnapshotName(`SWARM1${'r'.repeat(56)}${secret}=`)).message.includes('kkk'))
    assert.ok(!usageError(() => parseSnapshotName(`a@${'r'.repeat(60)}${secret}`)).message.includes('kkk'))
  })
})
