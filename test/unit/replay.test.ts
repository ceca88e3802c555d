// A recorded scheduler runs again the same, and a trace that was changed, damaged or cut is told from one that was not.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { Bitfield } from '../../src/base/bitfield.ts'
import { isSwarmError } from '../../src/base/errors.ts'
import { chunkIndex, micros, type PeerId, peerId, requestId } from '../../src/base/ids.ts'
import { type Replay, replayFile, replayTrace, traceHeader } from '../../src/node/replay.ts'
import type { Event } from '../../src/swarm/events.ts'
import { parseLimits } from '../../src/swarm/limits.ts'
import { Scheduler } from '../../src/swarm/scheduler.ts'
import type { SchedulerInit } from '../../src/swarm/swarm-state.ts'
import { FileTrace, headerLine, stepLine } from '../../src/telemetry/trace.ts'
import { chunks, type NodeSpec, type Recorder, World, type WorldSpec } from '../sim/world.ts'

const PROGRAM = 'swarm/test'
const ANN = peerId('ann')
const MIB = 1_048_576

/** The traces of all nodes of a simulated swarm, as lines. */
class Lines implements Recorder {
  readonly of: string[][] = []

  begin(index: number, init: SchedulerInit): void {
    this.of[index] = [headerLine(traceHeader(PROGRAM, init))]
  }

  step(index: number, ...step: Parameters<typeof stepLine>): void {
    this.of[index]?.push(stepLine(...step))
  }
}

function simulate(spec: WorldSpec): { lines: readonly string[][]; world: World } {
  const recorder = new Lines()
  const world = new World({ ...spec, recorder })
  world.run()
  return { lines: recorder.of, world }
}

function small(seed: number, change: Partial<WorldSpec> = {}): WorldSpec {
  const node: NodeSpec = { origin: 10_000, up: 60_000, down: 70_000 }
  const liar: NodeSpec = { ...node, behaviour: 'liar' }
  const nodes = [node, { ...node, first: [3, 11] }, { ...node, joinAtMs: 300 }, { ...node, crashAtMs: 700 }, liar]
  return { seed, chunkBytes: chunks(24, 900_000), nodes, mode: 'auto', ...change }
}

/** The text in pieces of `pieceBytes`, as a disk or a pipe may give it. */
async function* pieces(text: string, pieceBytes = 65_536): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes)
}

function replay(lines: readonly string[], pieceBytes?: number): Promise<Replay> {
  return replayTrace(pieces(lines.map((line) => `${line}\n`).join(''), pieceBytes), 'x.jsonl')
}

async function refuses(text: string, code: string, message: RegExp): Promise<void> {
  await assert.rejects(replayTrace(pieces(text), 'x.jsonl'), (error) => {
    assert.ok(isSwarmError(error), String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    assert.match(error.cure, /^.{10,}$/)
    return true
  })
}

/** One scheduler that has an origin and meets one peer. */
function shortTrace(): string[] {
  const init: SchedulerInit = {
    self: peerId('self'),
    chunkBytes: [MIB, 2 * MIB, 3 * MIB],
    held: new Bitfield(3),
    limits: parseLimits(),
    seed: 5,
    origin: { readable: true, mode: 'once', copiesMax: 2 },
  }
  const scheduler = new Scheduler(init)
  const lines = [headerLine(traceHeader(PROGRAM, init))]
  const step = (ms: number, event: Event): void => {
    const now = micros(1_000_000 + ms * 1000)
    lines.push(stepLine(now, event, scheduler.step(event, now)))
  }
  step(0, { type: 'wake' })
  step(1, { type: 'peerUp', peer: ANN, have: Bitfield.full(3), readsOrigin: true, holdsAll: true, site: '' })
  step(2, { type: 'requestProgress', request: requestId(2), bytes: 100 })
  step(3, { type: 'requestFailed', request: requestId(2), reason: 'broken' })
  step(500, { type: 'wake' })
  return lines
}

describe('a replay', () => {
  it('of every node of a simulated swarm finds every action the same', async () => {
    const spec = fc.record({
      seed: fc.nat(1_000_000),
      mode: fc.constantFrom('auto', 'once'),
      peersMax: fc.constantFrom(128, 3),
      copiesMax: fc.constantFrom<number | 'unlimited'>(1, 2, 'unlimited'),
      pieceBytes: fc.constantFrom(7, 1000, 65_536),
    })
    await fc.assert(
      fc.asyncProperty(spec, async ({ seed, mode, peersMax, copiesMax, pieceBytes }) => {
        const change = { mode, copiesMax, limits: { peersMax }, untilMs: 5_000 }
        const { lines } = simulate(small(seed, change))
        for (const trace of lines) assert.equal((await replay(trace, pieceBytes)).difference, null)
      }),
      { numRuns: 12, seed: 3 },
    )
  })

  it('names the first line whose actions were changed, whichever it is', async () => {
    const { lines } = simulate(small(1))
    const trace = lines[0] ?? []
    const acting = trace.flatMap((line, index) => (line.includes('"actions":[]') || index === 0 ? [] : [index]))
    assert.ok(acting.length > 20)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...acting), fc.nat(), async (index, pick) => {
        const broken = [...trace]
        const step = JSON.parse(broken[index] ?? '')
        const changed = step.actions.splice(pick % step.actions.length, 1)
        broken[index] = JSON.stringify(step)
        const { difference } = await replay(broken)
        assert.equal(difference?.line, index + 1)
        assert.deepEqual(difference?.expected, step.actions)
        assert.ok(JSON.stringify(difference?.got).includes(JSON.stringify(changed[0])))
      }),
      { numRuns: 40, seed: 4 },
    )
  })

  it('finds an argument that was changed', async () => {
    const { lines } = simulate(small(2))
    const [header = '', ...steps] = lines[1] ?? []
    for (const [was, is] of [
      [/"seed":\d+/, '"seed":77'],
      [/"mode":"auto"/, '"mode":"never"'],
      [/"requestsPerPeerMin":\d+/, '"requestsPerPeerMin":9'],
    ] as const) {
      assert.match(header, was)
      assert.ok((await replay([header.replace(was, is), ...steps])).difference !== null, String(was))
    }
  })

  it('counts what the trace tells', async () => {
    const { lines, world } = simulate(small(3))
    const { difference, ...facts } = await replay(lines[0] ?? [])
    const sum = 24 * 900_000
    assert.equal(difference, null)
    assert.equal(facts.program, PROGRAM)
    assert.deepEqual([facts.chunks, facts.bytes, facts.chunksHeldAtStart], [24, sum, 0])
    assert.equal(facts.steps, (lines[0]?.length ?? 0) - 1)
    assert.equal(facts.peers, 4)
    assert.ok(facts.fromStore > 0 && facts.fromPeers > 0)
    assert.equal(facts.fromStore + facts.fromPeers, facts.chunksVerified * 900_000)
    assert.ok(facts.fromStore + facts.fromPeers >= sum)
    assert.equal(facts.secondsToComplete, (world.nodes[0]?.completeAtUs ?? 0) / 1e6)
    assert.ok(facts.seconds >= (facts.secondsToComplete ?? 0))
    assert.ok((facts.failed.missing ?? 0) + (facts.failed.cancelled ?? 0) > 0, JSON.stringify(facts.failed))
    const [header = '', ...steps] = shortTrace()
    const short = await replay([header, ...steps])
    assert.deepEqual([short.failed, short.peers, short.secondsToComplete], [{ broken: 1 }, 1, null])
  })

  it('counts the bytes of a chunk where each came from', async () => {
    const init: SchedulerInit = {
      ...{ self: peerId('self'), chunkBytes: [MIB], held: new Bitfield(1), limits: parseLimits(), seed: 5 },
      origin: { readable: true, mode: 'once', copiesMax: 2 },
    }
    const scheduler = new Scheduler(init)
    const lines = [headerLine(traceHeader(PROGRAM, init))]
    const events: Event[] = [
      { type: 'wake' },
      { type: 'requestProgress', request: requestId(1), bytes: 100 },
      { type: 'requestFailed', request: requestId(1), reason: 'broken' },
      { type: 'peerUp', peer: ANN, have: Bitfield.full(1), readsOrigin: true, holdsAll: true, site: '' },
      { type: 'requestProgress', request: requestId(2), bytes: MIB - 100 },
      { type: 'chunkVerified', request: requestId(2) },
    ]
    for (const event of events) lines.push(stepLine(micros(0), event, scheduler.step(event, micros(0))))
    const { difference, fromStore, fromPeers } = await replay(lines)
    assert.deepEqual([difference, fromStore, fromPeers], [null, 100, MIB - 100])
    // Recorded by a version that knew nothing of offsets.
    const old = await replay(lines.map((line) => line.replace('"offset":100', '"more":1')))
    assert.deepEqual([old.fromStore, old.fromPeers], [0, MIB])
  })

  it('goes on counting after the first difference, and compares no more', async () => {
    const trace = shortTrace()
    const whole = await replay(trace)
    const wrong = '"actions":[{"type":"findPeers"},{"type":"findPeers"}]}'
    const changed = trace.map((line, index) => ([1, 3].includes(index) ? line.replace(/"actions":.*/, wrong) : line))
    const { difference, ...facts } = await replay(changed)
    assert.equal(difference?.line, 2)
    assert.equal(facts.steps, whole.steps)
  })

  it('takes fields in any order and ignores those that it does not know', async () => {
    const reorder = (line: string): string => {
      const { now, event, actions } = JSON.parse(line)
      const turned = actions.map((action: object) => Object.fromEntries(Object.entries(action).reverse()))
      return JSON.stringify({ note: 1, actions: turned, event: { ...event, more: 2 }, now })
    }
    const [header = '', ...steps] = shortTrace()
    assert.equal((await replay([header, ...steps.map(reorder)])).difference, null)
  })

  it('leaves out a last line that was cut, and says so', async () => {
    const text = shortTrace().join('\n')
    for (let cut = 1; cut <= 60; cut++) {
      const { isCut, difference, steps } = await replayTrace(pieces(text.slice(0, -cut)), 'x.jsonl')
      assert.deepEqual([isCut, difference, steps], [true, null, 4], `${cut} characters less`)
    }
    const whole = await replayTrace(pieces(text), 'x.jsonl')
    assert.deepEqual([whole.isCut, whole.steps], [false, 5], 'only the line feed is missing')
  })

  it('refuses what is not a trace', async () => {
    await refuses('', 'usage', /^x.jsonl is empty$/)
    await refuses('hello', 'usage', /not a trace/)
    await refuses('{"now":1,"event":{"type":"wake"},"actions":[]}\n', 'usage', /not a trace/)
    await refuses('{"trace":"1"}\n', 'usage', /not a trace/)
    await refuses('{"trace":2}\n', 'unsupportedVersion', /version 2/)
    await refuses('{"trace":1,', 'usage', /not a trace/)
    const [header = ''] = shortTrace()
    await refuses(header.replace('uploadSlots', 'fromTheFuture'), 'unsupportedVersion', /line 1: .*fromTheFuture/)
  })

  it('names the line that breaks the format', async () => {
    const trace = shortTrace()
    const broken = (line: number, was: string | RegExp, is: string): string =>
      trace.map((text, index) => (index === line - 1 ? text.replace(was, is) : text)).join('\n')
    for (const [line, was, is, message] of [
      [1, '"seed":5', '"seed":-1', /scheduler.seed is not a whole number/],
      [1, '"self":"self"', '"self":""', /scheduler.self/],
      [1, '[1048576,', '[1048576,null,', /scheduler.chunkBytes\[1\]/],
      [1, '[1048576,', '[', /a set of chunks is of another size/],
      [1, '"bits":"00"', '"bits":"ff"', /scheduler.held/],
      [1, '"mode":"once"', '"mode":"twice"', /scheduler.origin.mode is not one of auto, once, never/],
      [1, '"copiesMax":2', '"copiesMax":"many"', /scheduler.origin.copiesMax/],
      [2, /^/, 'x', /line 2: is not JSON/],
      [2, /.*/, '', /line 2: is not JSON/],
      [2, /.*/, '[]', /line 2:/],
      [3, '"now":', '"now":1,"was":', /line 3: time goes back/],
      [3, '"now":', '"now":1.5,"was":', /line 3: now is not/],
      [3, '"peerUp"', '"peerUpward"', /line 3: event.type is not one of/],
      [3, '"type":"peerUp"', '"type":"__proto__"', /line 3: event.type is not one of/],
      [3, '"peer":"ann"', '"peer":7', /line 3: event.peer/],
      [3, '"bits":"07"', '"bits":"zz"', /line 3: event.have/],
      [4, '"bytes":100', '"bytes":-1', /line 4: event.bytes/],
      [5, '"broken"', '"boring"', /line 5: event.reason/],
      [5, '"actions":[', '"actions":[7],"was":[', /line 5: actions\[0\]/],
      [5, '"actions":[', '"actions":{},"was":[', /line 5: actions is not a list/],
    ] as const) {
      await refuses(broken(line, was, is), 'integrity', message)
    }
  })

  it('says so when the file cannot be read', async () => {
    const path = '/nowhere/trace.jsonl'
    await assert.rejects(replayFile(path, new AbortController().signal), (error) => {
      return isSwarmError(error) && error.code === 'usage' && /cannot read the trace/.test(error.message)
    })
  })

  it('survives any line', async () => {
    const [header = '', first = ''] = shortTrace()
    const value = fc.oneof(fc.jsonValue(), fc.constant({ type: 'chunkStored', chunk: 2 ** 24 }))
    await fc.assert(
      fc.asyncProperty(value, value, fc.nat(3), async (event, actions, place) => {
        const line = JSON.stringify({ now: 1_000_000, event, actions })
        const lines = [header, first]
        lines.splice(place, place === 3 ? 0 : 1, line)
        await replay(lines).catch((error: unknown) => assert.ok(isSwarmError(error), String(error)))
      }),
      { numRuns: 300, seed: 5 },
    )
  })
})

describe('a trace file', () => {
  const folder = mkdtempSync(`${tmpdir()}/swarm-trace-`)
  after(() => rmSync(folder, { recursive: true }))

  it('holds every line once it is closed, and is for its owner alone', async () => {
    const path = `${folder}/trace.jsonl`
    const trace = new FileTrace(path, assert.fail)
    const init = parsed(shortTrace())
    trace.begin(init)
    for (let index = 0; index < 20_000; index++) {
      trace.step(micros(index), { type: 'chunkStored', chunk: chunkIndex(index % 3) }, [])
    }
    await trace.close()
    const lines = readFileSync(path, 'utf8').split('\n')
    assert.equal(lines.length, 20_002)
    assert.equal(lines[0], headerLine(init))
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  it('that cannot be made is the caller’s error', () => {
    assert.throws(() => new FileTrace(`${folder}/no/such/directory`, assert.fail), { code: 'usage' })
  })

  it('on a full disk ends with one warning, and the job goes on', async () => {
    const warnings: string[] = []
    const trace = new FileTrace('/dev/full', (text) => warnings.push(text))
    trace.begin(parsed(shortTrace()))
    for (let index = 0; index < 100; index++) trace.step(micros(index), { type: 'wake' }, [])
    await trace.close()
    trace.step(micros(200), { type: 'wake' }, [])
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /the trace \/dev\/full ends here: .*ENOSPC/)
  })
})

/** A header to write, whatever it says. */
function parsed([header = '']: readonly string[]): Parameters<FileTrace['begin']>[0] {
  const { scheduler } = JSON.parse(header)
  const self: PeerId = peerId(scheduler.self)
  return { program: PROGRAM, ...scheduler, self, held: new Bitfield(3) }
}
