// The C++ tests of the codec with the address and undefined-behaviour sanitizers, for this machine and for 64-bit ARM under
// emulation. They take both processors for minutes. A run of all tests leaves half of the processors' time idle, so with
// SWARM_TEST_AHEAD, which says that it is one, they begin before all else and run behind everything else.

import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { configureNativeTest, run, start } from './native-build.ts'

const ARM64_COMPILER = 'aarch64-linux-gnu-g++'
const ARM64_EMULATOR = 'qemu-aarch64'
/** Before a command: the last of all to get a processor. */
const BEHIND = ['nice', '-n', '19'] as const

/** What each printed; rejects when it failed. */
export interface HostRuns {
  readonly paths: Promise<string>
  readonly kernels: Promise<string>
}

export interface ArmRuns {
  readonly neon: Promise<string>
  readonly scalar: Promise<string>
}

export function isMissing(command: string): boolean {
  return spawnSync(command, ['--version']).error !== undefined
}

/** Why there is no ARM here, not even an emulated one. */
export function whyNoArm64(): string | undefined {
  const absent = [ARM64_COMPILER, ARM64_EMULATOR].filter(isMissing)
  return absent.length === 0 ? undefined : `lacks ${absent.join(' and ')}`
}

/** The runs for this machine, begun by the first who asks. */
export const hostRuns = once((): HostRuns => {
  const program = build('native-test')
  const paths = program.then((path) => start(...BEHIND, path, 'avx512', 'avx2', 'neon', 'scalar'))
  return settledLater({ paths, kernels: program.then((path) => start(...BEHIND, path, 'host-warp')) })
})

/** The runs under emulation, begun by the first who asks. */
export const armRuns = once((): ArmRuns => {
  // The shared libraries of the cross compiler stand in for those of an ARM system.
  const library = run('realpath', run(ARM64_COMPILER, '-print-file-name=libc.so.6').trim()).trim()
  const system = ['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64']
  const program = build('native-arm64', ...system, `-DCMAKE_CXX_COMPILER=${ARM64_COMPILER}`)
  // Leaks are looked for by another process, which emulation does not allow; the runs for this machine find them.
  const emulator = ['env', 'ASAN_OPTIONS=detect_leaks=0', ARM64_EMULATOR, '-L', dirname(dirname(library))]
  const emulated = (path: string): Promise<string> => program.then((test) => start(...BEHIND, ...emulator, test, path))
  return settledLater({ neon: emulated('neon'), scalar: emulated('scalar') })
})

/** Mocha calls it before the first test. */
export function mochaGlobalSetup(): void {
  if (process.env['SWARM_TEST_AHEAD'] === undefined) return
  hostRuns()
  if (process.arch !== 'arm64' && whyNoArm64() === undefined) armRuns()
}

async function build(folder: string, ...options: string[]): Promise<string> {
  const { program, command } = configureNativeTest('codec_test', folder, ...options)
  await start(...BEHIND, ...command)
  return program
}

/** A failure counts when its test comes to it. */
function settledLater<Runs extends object>(runs: Runs): Runs {
  for (const output of Object.values(runs)) output.catch(() => undefined)
  return runs
}

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined
  return () => {
    made ??= make()
    return made
  }
}
