// Builds the C++ tests with their sanitizers, and runs what they need.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const root = fileURLToPath(new URL('../../', import.meta.url))
/** A cold build on two slow cores behind other work, or all tests of a path; what hangs fails here instead of for ever. */
export const BUILD_TIMEOUT_MS = 900_000

export interface Ended {
  readonly status: number | null
  /** What was run, and all that it said. */
  readonly output: string
  readonly stdout: string
}

export function tryRun(command: string, ...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    timeout: BUILD_TIMEOUT_MS,
  })
  return { status, output: `${command} ${args.join(' ')}\n${stdout}${stderr}`, stdout }
}

/** What a command that must succeed wrote. */
export function run(command: string, ...args: string[]): string {
  const { status, output, stdout } = tryRun(command, ...args)
  assert.equal(status, 0, output)
  return stdout
}

/** The same without waiting for it, so that several share the processors. */
export async function start(command: string, ...args: string[]): Promise<string> {
  const ended = promisify(execFile)(command, args, { cwd: root, timeout: BUILD_TIMEOUT_MS })
  return ended.then(
    ({ stdout }) => stdout,
    (error: Error & Partial<Ended & { stderr: string }>) =>
      assert.fail(`${error.message}\n${error.stdout}${error.stderr}`),
  )
}

/** A program in a folder of its own below build/, and the command that builds it. */
export function configureNativeTest(target: string, folder: string, ...options: string[]) {
  const build = `${root}build/${folder}`
  const common = ['-DSWARM_CODEC_TESTS=ON', '-DWITH_CUDA=OFF', '-DCMAKE_BUILD_TYPE=Debug']
  run('cmake', '-S', 'native', '-B', build, ...common, ...options)
  const command = ['cmake', '--build', build, '--target', target, '--parallel', '2'] as const
  return { program: `${build}/${target}`, command }
}

/** Path of the program, built. */
export function buildNativeTest(target: string, folder: string, ...options: string[]): string {
  const { program, command } = configureNativeTest(target, folder, ...options)
  run(...command)
  return program
}
