// A whole `join` command: the lock on the destination, the join itself or the result of another process's, the marks of
// success, and serving afterwards.

import { spawn } from 'node:child_process'
import { SwarmError } from '../base/errors.ts'
import { Destination } from '../restore/destination.ts'
import { type HeldLock, type LockHolder, tryLock, waitWhileLocked } from '../restore/lock.ts'
import { type JoinedTree, type JoinInit, join } from './join.ts'
import type { TransferReport } from './join-events.ts'
import { type LingerPolicy, linger } from './linger.ts'
import { clearResult, readResult, writeResult } from './result-file.ts'

export interface JoinDirectoryInit extends JoinInit {
  /** Fail at once when another process works on the directory. */
  readonly noWait: boolean
  readonly linger: LingerPolicy
  /** Shell command to run when the tree is ready. */
  readonly onReady: string | undefined
  /** Called when the tree is ready: from now on an interrupt aborts the returned signal and is a success. */
  readonly interruptsEndWell: () => AbortSignal
}

export interface JoinOutcome {
  readonly report: TransferReport
  /** Another process on this host had done the work. */
  readonly shared: boolean
}

export async function joinDirectory(init: JoinDirectoryInit): Promise<JoinOutcome> {
  const destination = new Destination(init.directory, init.calls)
  await destination.prepare()
  const { statePath } = destination
  const lock = await lockOrShare(init, `${statePath}/lock`, statePath)
  if ('report' in lock) {
    init.emit({ type: 'ready', ...lock.report })
    return { report: lock.report, shared: true }
  }
  try {
    await clearResult(statePath)
    const tree = await join(init)
    return { report: await serve(init, tree, statePath), shared: false }
  } finally {
    await lock.release()
  }
}

async function lockOrShare(
  init: JoinDirectoryInit,
  path: string,
  statePath: string,
): Promise<HeldLock | { report: TransferReport }> {
  const { root } = init.target
  for (;;) {
    const outcome = await tryLock(path, root)
    if (outcome.status === 'held') return outcome.lock
    const { holder } = outcome
    if (holder.root !== root || init.noWait) throw locked(init.directory, holder, root)
    init.log(`waiting for process ${holder.pid} on ${holder.host}, which restores the same snapshot here`)
    const finished = async (): Promise<boolean> => (await readResult(statePath, root, holder.pid)) !== undefined
    await waitWhileLocked(path, finished, init.signal)
    const report = await readResult(statePath, root, holder.pid)
    if (report !== undefined) return { report }
  }
}

async function serve(init: JoinDirectoryInit, tree: JoinedTree, statePath: string): Promise<TransferReport> {
  try {
    const report = tree.report()
    await writeResult(statePath, init.target.root, report)
    init.emit({ type: 'ready', ...report })
    const stopServing = init.interruptsEndWell()
    const command = init.onReady === undefined ? undefined : runOnReady(init.onReady, init)
    await linger(init.linger, tree.session, report.seconds * 1000, stopServing)
    // After an interrupt there are seconds left to take leave in; the command may run for days, and goes on by itself.
    await Promise.race([command, whenAborted(stopServing)])
    return tree.report()
  } finally {
    await tree.close()
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** The command's output goes to stderr, so that stdout stays ours; its failure does not undo the join. */
function runOnReady(command: string, init: JoinDirectoryInit): Promise<void> {
  return new Promise((resolve) => {
    const env = { ...process.env, SWARM_ROOT: init.target.root, SWARM_DIR: init.directory }
    const child = spawn('sh', ['-c', command], { stdio: ['ignore', 2, 2], env, cwd: init.directory })
    child.on('error', (error) => {
      init.emit({ type: 'warning', message: `--on-ready: ${error.message}` })
      resolve()
    })
    child.on('exit', (code, signal) => {
      if (code !== 0) init.emit({ type: 'warning', message: `--on-ready ended with ${code ?? signal}` })
      resolve()
    })
  })
}

function locked(directory: string, holder: LockHolder, root: string): SwarmError {
  const what = holder.root === root ? 'the same snapshot' : 'something else'
  return new SwarmError(
    'destinationLocked',
    `${directory} is in use by process ${holder.pid} on ${holder.host}, which works on ${what}`,
    {
      blame: 'caller',
      cure: 'wait for it to end, or choose another directory',
      details: { pid: holder.pid, host: holder.host },
    },
  )
}
