// When the codec keeps a process alive and when it does not, seen from outside in child processes.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('../support/codec-child.ts', import.meta.url))
/** Far above what a child needs; a child that hangs fails here instead of for ever. */
const CHILD_TIMEOUT_MS = 20_000

interface ChildEnd {
  readonly code: number | string | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

function runChild(scenario: string): Promise<ChildEnd> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CHILD, scenario], { timeout: CHILD_TIMEOUT_MS }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, signal: error?.signal ?? null, stdout, stderr })
    })
  })
}

describe('lifetime of the codec pool', () => {
  it('keeps the process alive while a job is pending, and not longer', async () => {
    const end = await runChild('pending-job')
    assert.deepEqual([end.code, end.signal, end.stderr], [0, null, ''])
    assert.match(end.stdout, /^encoded \d+\n$/)
  })

  it('does not keep the process alive when idle from the start', async () => {
    assert.deepEqual(await runChild('idle-pool'), { code: 0, signal: null, stdout: 'threads 2\n', stderr: '' })
  })

  it('does not keep the process alive after its last job', async () => {
    assert.deepEqual(await runChild('used-pool'), { code: 0, signal: null, stdout: 'used\n', stderr: '' })
  })

  it('lets process.exit end cleanly in the middle of jobs', async () => {
    assert.deepEqual(await runChild('exit-in-job'), { code: 7, signal: null, stdout: 'leaving\n', stderr: '' })
  })

  it('does not keep the process alive because of a device', async () => {
    assert.deepEqual(await runChild('used-device'), { code: 0, signal: null, stdout: 'used host-warp\n', stderr: '' })
  })

  it('lets process.exit end cleanly while a device is opened or works', async () => {
    assert.deepEqual(await runChild('exit-with-device'), { code: 7, signal: null, stdout: 'leaving\n', stderr: '' })
  })

  it('survives the end of a worker thread while a device works', async () => {
    const end = await runChild('worker-ends-with-device')
    assert.deepEqual(end, { code: 0, signal: null, stdout: 'still here\n', stderr: '' })
  })

  it('survives the end of a worker thread in the middle of jobs', async () => {
    const end = await runChild('worker-ends-in-job')
    assert.deepEqual(end, { code: 0, signal: null, stdout: 'main thread still encodes: true\n', stderr: '' })
  })
})
