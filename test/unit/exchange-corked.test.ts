import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import type { MessageStream } from '@libp2p/interface'
import { cork } from '../../src/exchange/corked.ts'
import { CORKED_BYTES_MAX } from '../../src/exchange/limits.ts'

/** Says what it was told to do, in order. */
class Recorder {
  status: MessageStream['status'] = 'open'
  writableNeedsDrain = false
  readonly calls: string[] = []

  send(data: Parameters<MessageStream['send']>[0]): boolean {
    this.calls.push(`send ${Buffer.from(data.subarray()).toString('latin1').slice(0, 8)} ${data.byteLength}`)
    return !this.writableNeedsDrain
  }

  async close(): Promise<void> {
    this.calls.push('close')
    this.status = 'closed'
  }
}

describe('a corked connection', () => {
  const letters = (text: string) => Buffer.from(text, 'latin1')

  it('sends in one piece, in order, what it is given in one turn of the event loop', async () => {
    const recorder = new Recorder()
    const connection = cork(recorder)
    assert.equal(connection.send(letters('ab')), true)
    await Promise.resolve()
    connection.send(letters('cd'))
    assert.deepEqual(recorder.calls, [])
    await turn()
    assert.deepEqual(recorder.calls, ['send abcd 4'])
    connection.send(letters('ef'))
    await turn()
    assert.deepEqual(recorder.calls, ['send abcd 4', 'send ef 2'])
  })

  it('keeps no more than its maximum, and then hands on what the connection answers', async () => {
    const recorder = new Recorder()
    const connection = cork(recorder)
    assert.equal(connection.send(Buffer.alloc(CORKED_BYTES_MAX - 1, 'x')), true)
    assert.deepEqual(recorder.calls, [])
    recorder.writableNeedsDrain = true
    assert.equal(connection.send(letters('y')), false)
    assert.deepEqual(recorder.calls, [`send xxxxxxxx ${CORKED_BYTES_MAX}`])
    await turn()
    assert.equal(recorder.calls.length, 1)
  })

  it('says that the connection is full while it is', () => {
    const recorder = new Recorder()
    recorder.writableNeedsDrain = true
    assert.equal(cork(recorder).send(letters('a')), false)
  })

  it('sends what waits before it closes', async () => {
    const recorder = new Recorder()
    const connection = cork(recorder)
    connection.send(letters('goaway'))
    await connection.close()
    await turn()
    assert.deepEqual(recorder.calls, ['send goaway 6', 'close'])
  })

  it('sends nothing on a connection that has failed in the same turn', async () => {
    const recorder = new Recorder()
    cork(recorder).send(letters('late'))
    recorder.status = 'aborted'
    await turn()
    assert.deepEqual(recorder.calls, [])
  })
})
