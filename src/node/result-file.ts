// The mark of a finished join, for a second join of the same snapshot into the same directory and for the next command.

import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { systemErrorCode } from '../base/errors.ts'
import type { Root } from '../base/ids.ts'
import { diskError } from '../restore/disk-errors.ts'
import { STATE_FILE_BYTES_MAX } from '../restore/limits.ts'
import type { TransferReport } from './join-events.ts'

/** Forgets an earlier run; called by the holder of the lock before anything is written. */
export async function clearResult(statePath: string): Promise<void> {
  try {
    await rm(`${statePath}/ready`, { force: true })
    await rm(`${statePath}/result.json`, { force: true })
  } catch (cause) {
    throw diskError(`clearing ${statePath}`, cause)
  }
}

/** `ready` holds the root alone and appears last, atomically. */
export async function writeResult(statePath: string, root: Root, report: TransferReport): Promise<void> {
  try {
    await writeFile(`${statePath}/result.json`, `${JSON.stringify({ pid: process.pid, report })}\n`)
    await writeFile(`${statePath}/ready.new`, `${root}\n`)
    await rename(`${statePath}/ready.new`, `${statePath}/ready`)
  } catch (cause) {
    throw diskError(`writing ${statePath}/ready`, cause)
  }
}

/** The report of the run by process `pid` if it has finished `root`. */
export async function readResult(statePath: string, root: Root, pid: number): Promise<TransferReport | undefined> {
  try {
    if ((await readFile(`${statePath}/ready`, 'latin1')).trim() !== root) return undefined
    const text = await readFile(`${statePath}/result.json`, 'utf8')
    return text.length > STATE_FILE_BYTES_MAX ? undefined : parseResult(text, pid, root)
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT' || cause instanceof SyntaxError) return undefined
    throw diskError(`reading ${statePath}/ready`, cause)
  }
}

function parseResult(text: string, pid: number, root: Root): TransferReport | undefined {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('pid' in value) || !('report' in value)) return undefined
  const { report } = value
  if (value.pid !== pid || typeof report !== 'object' || report === null) return undefined
  if (!('root' in report) || report.root !== root) return undefined
  return report as TransferReport
}
