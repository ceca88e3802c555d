// `swarm replay`: what a recorded join did, and whether the scheduler of this version would do the same again.

import type { Command } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { AGENT_VERSION } from '../base/version.ts'
import { type Difference, type Replay, replayFile } from '../node/replay.ts'
import { makeContext } from './context.ts'
import { formatBytes, formatSeconds } from './values.ts'

/** Characters of an event or of actions that a person is shown. */
const SHOWN_MAX = 2_000

export function addReplayCommand(program: Command): void {
  const command = program
    .command('replay')
    .summary('run a recorded join again and compare every decision')
    .description('Reads what join --trace recorded, says what happened, and checks that the same decisions come out.')
    .argument('<trace>', 'the file, or - for stdin')
  command.addHelpText(
    'after',
    '\nExamples:\n  $ swarm replay trace.jsonl\n  $ zcat trace.jsonl.gz | swarm replay -\n\nExit code 6: a decision differs, or a line is damaged.\n',
  )
  command.action(async (path: string) => {
    const { output, signal } = makeContext(command)
    const replay = await replayFile(path, signal)
    const { difference, ...facts } = replay
    for (const line of describe(replay)) output.print(line)
    if (replay.isCut) output.warn('the last line is cut and was left out, as after a crash or on a full disk')
    if (difference === null) {
      output.line({ type: 'summary', command: 'replay', ...facts, same: true })
      output.print('every action is the same')
      return
    }
    output.line({ type: 'trace', ...facts, same: false })
    output.line({ type: 'difference', ...difference })
    for (const line of describeDifference(difference)) output.print(line)
    throw differs(path, difference, replay.program)
  })
}

function describe(replay: Replay): string[] {
  const { program, chunks, bytes, chunksHeldAtStart, steps, seconds, secondsToComplete, peers } = replay
  const held = chunksHeldAtStart > 0 ? `, ${chunksHeldAtStart} of them there at the start` : ''
  const end =
    secondsToComplete === null ? 'not complete at its end' : `complete after ${formatSeconds(secondsToComplete)}`
  const failed = counts(replay.failed)
  const dropped = counts(replay.dropped)
  return [
    `recorded by ${program}, node ${replay.self}`,
    `${chunks} chunks, ${formatBytes(bytes)} encoded${held}`,
    `${steps} steps in ${formatSeconds(seconds)}, ${end}`,
    `${replay.chunksVerified} chunks verified: ${formatBytes(replay.fromStore)} from the store, ${formatBytes(replay.fromPeers)} from peers`,
    `requests without their chunk: ${failed === '' ? 'none' : failed}`,
    `${peers} peers${dropped === '' ? '' : `, dropped: ${dropped}`}`,
  ]
}

function describeDifference({ line, seconds, event, expected, got }: Difference): string[] {
  return [
    `line ${line}, ${seconds.toFixed(3)} s after the first step, differs`,
    `  event     ${shown(event)}`,
    `  expected  ${shown(expected)}`,
    `  got       ${shown(got)}`,
  ]
}

function differs(path: string, { line }: Difference, program: string): SwarmError {
  const isOurs = program === AGENT_VERSION
  return new SwarmError('integrity', `${path}, line ${line}: the actions differ from those recorded`, {
    cure: isOurs
      ? 'the trace was changed, or this build decides otherwise than the one that recorded; please report it'
      : `${program} recorded it and this is ${AGENT_VERSION}, which may decide otherwise; replay it with the former`,
    details: { line },
  })
}

function counts(of: Readonly<Record<string, number>>): string {
  return Object.entries(of)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(', ')
}

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}... (${text.length} characters)` : text
}
