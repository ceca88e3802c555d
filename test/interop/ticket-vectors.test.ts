import assert from 'node:assert/strict'
import { isSwarmError } from '../../src/base/errors.ts'
import { hashBytes } from '../../src/base/hash.ts'
import { encodeTicket, parseTicket } from '../../src/snapshot/ticket.ts'
import { readPlainTicket } from './plain-manifest.ts'
import { listVectorFiles, readVectorFile, readVectorIndex } from './vector-files.ts'

interface TicketVector {
  readonly text: string
  readonly content?: unknown
}

const index = readVectorIndex('ticket')

describe('ticket vectors', () => {
  it('are exactly those of the index, good ones and bad ones', () => {
    assert.deepEqual(listVectorFiles('ticket'), index.map(({ name }) => name).sort())
    assert.ok(index.filter(({ expect }) => expect === 'good').length >= 3)
    assert.ok(index.filter(({ expect }) => expect !== 'good').length >= 15)
  })

  for (const { name, about, expect } of index) {
    const vector = readVectorFile<TicketVector>('ticket', name)
    if (expect === 'good') {
      it(`read ${name}: ${about}`, () => {
        const ticket = parseTicket(vector.text)
        const swarmKey = Buffer.from(ticket.swarmKey).toString('hex')
        assert.deepEqual({ ...ticket, swarmKey, store: ticket.store ?? null }, vector.content)
        if (name !== 'field-64') assert.equal(encodeTicket(ticket), vector.text)
      })

      it(`read ${name} with the plain reader, too`, () => {
        const plain = readPlainTicket(vector.text)
        assert.deepEqual(plain.content, vector.content)
        assert.deepEqual(plain.checksum, hashBytes(plain.body).subarray(0, 4))
      })
    } else {
      it(`refuse ${name} with ${expect}: ${about}`, () => {
        assert.throws(
          () => parseTicket(vector.text),
          (error) => isSwarmError(error) && error.code === expect,
        )
      })
    }
  }
})
