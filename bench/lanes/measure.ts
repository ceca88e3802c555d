// One run: so many lanes, two data connections, one direction, as fast as it goes.

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { loadAddon, type NativeDataPlane } from '../../src/codec/load-addon.ts'
import { descriptorOf } from '../../src/exchange/corked.ts'
import { cpuSecondsOfChildren } from '../fanout/cpu-time.ts'
import { FarEnd } from './far-end.ts'
import { ANSWER_BYTES, FAR_END_KEY, NEAR_END_KEY } from './sealed-records.ts'

/** What the lanes do. */
export type Work = 'seal' | 'open'

export const CONNECTIONS = 2
/** Answers that wait on one connection, and buffers that they come into. */
const TOGETHER = 16
/** Kinds of native/addon/data-events.h. */
const COMPLETE = 2
const SENT = 3
const ENDED = 4
const EVENT_FIELDS = 4

export interface Measured {
  readonly type: 'lanes'
  readonly work: Work
  readonly lanes: number
  readonly round: number
  readonly MBps: number
  /** Of the process with the lanes. */
  readonly cpuPerGB: number
  /** Of those at the other end, starting included. */
  readonly farCpuPerGB: number
}

export async function measure(work: Work, lanes: number, round: number, records: string, answers: number) {
  const { DataPlane } = loadAddon()
  if (DataPlane === undefined) throw new Error('this system or its OpenSSL allows no data connections')
  const done = Promise.withResolvers<void>()
  let onEvent = (_kind: number, _connection: number, _id: number): void => undefined
  const plane = new DataPlane(lanes, (events) => {
    for (let at = 0; at + EVENT_FIELDS <= events.length; at += EVENT_FIELDS) {
      const [kind = 0, connection = 0, id = 0] = events.subarray(at, at + EVENT_FIELDS)
      onEvent(kind, connection, id)
    }
  })
  const farBefore = cpuSecondsOfChildren()
  const { connections, farEnds } = await connect(plane, work, records, answers)
  try {
    const left = new Map(connections.map((connection) => [connection, answers]))
    const begin = work === 'seal' ? startSending(plane, answers) : startExpecting(plane, answers)
    onEvent = (kind, connection, id) => {
      if (kind === ENDED) done.reject(new Error(`connection ${connection} ended early`))
      if (kind !== (work === 'seal' ? SENT : COMPLETE)) return
      left.set(connection, (left.get(connection) ?? 0) - 1)
      begin.next(connection, id)
      if ([...left.values()].every((count) => count === 0)) done.resolve()
    }
    const before = { cpu: process.cpuUsage(), atMs: performance.now() }
    for (const connection of connections) begin.first(connection)
    for (const farEnd of farEnds) farEnd.begin()
    await done.promise
    const seconds = (performance.now() - before.atMs) / 1000
    const { user, system } = process.cpuUsage(before.cpu)
    await Promise.all(farEnds.map((farEnd) => farEnd.end()))
    const gigabytes = (CONNECTIONS * answers * ANSWER_BYTES) / 1e9
    const cost = {
      cpuPerGB: (user + system) / 1e6 / gigabytes,
      farCpuPerGB: (cpuSecondsOfChildren() - farBefore) / gigabytes,
    }
    return { type: 'lanes', work, lanes, round, MBps: (gigabytes * 1000) / seconds, ...cost } satisfies Measured
  } finally {
    await Promise.all(farEnds.map((farEnd) => farEnd.end()))
    plane.close()
  }
}

interface Begin {
  first(connection: number): void
  next(connection: number, id: number): void
}

/** The same bytes again and again; as many answers wait as a fast peer asks for. */
function startSending(plane: NativeDataPlane, answers: number): Begin {
  const bytes = Buffer.alloc(ANSWER_BYTES, 5)
  const send = (connection: number, id: number): void => {
    if (id < answers) plane.send(connection, id, 0, bytes, false)
  }
  return {
    first: (connection) => {
      for (let id = 0; id < TOGETHER; id++) send(connection, id)
    },
    next: (connection, id) => send(connection, id + TOGETHER),
  }
}

/** All are expected from the start, because the source does not wait to be asked; they come one after the other. */
function startExpecting(plane: NativeDataPlane, answers: number): Begin {
  const buffers = Array.from({ length: CONNECTIONS }, () =>
    // Written to, so that the system has given the memory before the clock starts.
    Array.from({ length: TOGETHER }, () => Buffer.alloc(ANSWER_BYTES, 4)),
  )
  return {
    first: (connection) => {
      const into = buffers.pop() ?? []
      for (let id = 0; id < answers; id++) plane.expect(connection, id, 0, into[id % TOGETHER] ?? Buffer.alloc(0))
    },
    next: () => undefined,
  }
}

async function connect(plane: NativeDataPlane, work: Work, records: string, answers: number) {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const sockets = new Promise<Socket[]>((resolve) => {
    const taken: Socket[] = []
    server.on('connection', (socket) => {
      taken.push(socket)
      if (taken.length === CONNECTIONS) resolve(taken)
    })
  })
  const role = work === 'seal' ? 'sink' : 'source'
  const farEnds = Array.from(
    { length: CONNECTIONS },
    () => new FarEnd(role, address.port, records, answers * ANSWER_BYTES),
  )
  await Promise.all(farEnds.map(({ up }) => up))
  const connections = (await sockets).map((socket) => {
    const descriptor = descriptorOf({ socket })
    if (descriptor === undefined) throw new Error('the socket has no descriptor')
    const number = plane.add(descriptor, NEAR_END_KEY, FAR_END_KEY, new Uint8Array(0))
    socket.destroy()
    return number
  })
  server.close()
  return { connections, farEnds }
}
