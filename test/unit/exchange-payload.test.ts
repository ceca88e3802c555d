// Payload frames and the requests that they answer, without sockets.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { FRAME_BODY_BYTES_MAX } from '../../src/exchange/limits.ts'
import { OpenRequests } from '../../src/exchange/open-requests.ts'
import { encodeFrame, type FrameHeader, FrameReader } from '../../src/exchange/payload-frame.ts'

function frame(id: number, offset: number, body: Uint8Array): Uint8Array {
  return encodeFrame({ id, offset, length: body.length }, body)
}

function startRequests() {
  const offences: string[] = []
  const requests = new OpenRequests((what) => offences.push(what))
  return { requests, offences, reader: new FrameReader(requests) }
}

function openRequest(requests: OpenRequests, offset: number, into: Uint8Array) {
  const opened = requests.open(offset, into, () => {})
  assert.ok(opened !== undefined)
  return opened
}

describe('exchange payload', () => {
  it('reads the same frames however the stream is cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 })
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (sent, cuts) => {
        const seen: { header: FrameHeader; body: number[] }[] = []
        let ends = 0
        const reader = new FrameReader({
          begin: (header) => seen.push({ header, body: [] }),
          body: (part) => seen.at(-1)?.body.push(...part),
          end: () => ends++,
        })
        const stream = Buffer.concat(sent.map((body, index) => frame(index, index * 7, body)))
        for (let position = 0, turn = 0; position < stream.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1
          assert.ok(reader.read(stream.subarray(position, position + size)))
          position += size
        }
        assert.equal(ends, sent.length)
        assert.deepEqual(
          seen,
          sent.map((body, id) => ({ header: { id, offset: id * 7, length: body.length }, body: [...body] })),
        )
      }),
    )
  })

  it('refuses a frame of 4 GiB and one a byte too long as soon as their headers are there (P7)', () => {
    for (const length of [2 ** 32 - 1, FRAME_BODY_BYTES_MAX + 1]) {
      const { reader } = startRequests()
      assert.equal(reader.read(encodeFrame({ id: 0, offset: 0, length }, new Uint8Array(0))), false)
    }
  })

  it('puts frames where they belong and closes the request with its last byte', async () => {
    const { requests, reader, offences } = startRequests()
    const into = new Uint8Array(6)
    const { id, outcome } = openRequest(requests, 100, into)
    reader.read(frame(id, 100, Uint8Array.of(1, 2, 3, 4)))
    assert.equal(requests.size, 1)
    reader.read(frame(id, 104, Uint8Array.of(5, 6)))
    assert.deepEqual(await outcome, { status: 'ok', bytes: 6 })
    assert.deepEqual([...into], [1, 2, 3, 4, 5, 6])
    assert.deepEqual(offences, [])
  })

  it('closes a request with fewer bytes when an empty frame ends it', async () => {
    const { requests, reader } = startRequests()
    const { id, outcome } = openRequest(requests, 0, new Uint8Array(6))
    reader.read(frame(id, 0, Uint8Array.of(1)))
    reader.read(frame(id, 1, new Uint8Array(0)))
    assert.deepEqual(await outcome, { status: 'ok', bytes: 1 })
  })

  it('writes nothing after a request was cancelled in the middle of a frame, and allows what was on its way', async () => {
    const { requests, reader, offences } = startRequests()
    const into = new Uint8Array(6)
    const { id, outcome } = openRequest(requests, 0, into)
    const whole = frame(id, 0, Uint8Array.of(1, 2, 3, 4))
    reader.read(whole.subarray(0, 14))
    assert.ok(requests.cancel(id))
    reader.read(whole.subarray(14))
    reader.read(frame(id, 4, Uint8Array.of(5, 6)))
    assert.deepEqual(await outcome, { status: 'cancelled', bytes: 2 })
    assert.deepEqual([...into], [1, 2, 0, 0, 0, 0])
    assert.deepEqual(offences, [])
    assert.equal(requests.wastedBytes, 2)
    reader.read(frame(id, 6, new Uint8Array(3)))
    assert.equal(offences.length, 1)
  })

  it('takes a gap, a repetition and an overrun for offences', () => {
    for (const [offset, length] of [
      [1, 1],
      [0, 7],
    ] as const) {
      const { requests, reader, offences } = startRequests()
      const { id } = openRequest(requests, 0, new Uint8Array(6))
      reader.read(frame(id, offset, new Uint8Array(length)))
      assert.equal(offences.length, 1)
    }
    const { requests, reader, offences } = startRequests()
    const { id } = openRequest(requests, 0, new Uint8Array(6))
    for (let repeat = 0; repeat < 2; repeat++) reader.read(frame(id, 0, new Uint8Array(3)))
    assert.equal(offences.length, 1)
  })

  it('never writes outside the buffer, whatever frames come', () => {
    const header = fc.record({ id: fc.nat(3), offset: fc.nat(12), length: fc.nat(12) })
    fc.assert(
      fc.property(fc.array(header, { maxLength: 20 }), (headers) => {
        const memory = new Uint8Array(30)
        const { requests, reader } = startRequests()
        for (let index = 0; index < 3; index++) openRequest(requests, 2, memory.subarray(10, 18))
        for (const { id, offset, length } of headers) reader.read(frame(id, offset, new Uint8Array(length).fill(0xff)))
        assert.ok(memory.subarray(0, 10).every((byte) => byte === 0))
        assert.ok(memory.subarray(18).every((byte) => byte === 0))
      }),
    )
  })

  it('closes every request as broken when the connection is gone, and refusals by their reason', async () => {
    const { requests } = startRequests()
    const first = openRequest(requests, 0, new Uint8Array(1))
    const second = openRequest(requests, 0, new Uint8Array(1))
    requests.refuse(first.id, 'stopping')
    requests.refuse(99, 'busy')
    requests.fail()
    assert.equal((await first.outcome).status, 'stopping')
    assert.equal((await second.outcome).status, 'broken')
    assert.equal(requests.size, 0)
  })
})
