// Builds gpu_test and gpu_bench into build/gpu and runs them. Built-in modules only: a GPU machine may have nothing else.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const build = join(root, 'build', 'gpu')
const CUDA_FOLDER = '/usr/local/cuda/bin'
/** A hanging program is stopped after this; gpu_test gives up on a device long before. */
const RUN_TIMEOUT_MS = 1_200_000

/** What `test:gpu` and `bench:gpu` print where nothing can be built for a GPU. */
export const noCuda = 'skipped: no GPU (this build has no CUDA)'

/** Path or name of a tool of CUDA; undefined when it is not installed. */
export function findCudaTool(name) {
  if (spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined) return name
  const path = join(CUDA_FOLDER, name)
  return existsSync(path) ? path : undefined
}

/** Runs a command and passes its output on. Resolves with its exit code, -1 when it was stopped, and its standard output. */
export function runCommand(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: RUN_TIMEOUT_MS,
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
      process.stdout.write(text)
    })
    child.on('error', (error) => resolve({ code: -1, output: `${output}${error.message}\n` }))
    child.on('close', (code) => resolve({ code: code ?? -1, output }))
  })
}

/** Path of the built program; undefined after a failure, whose output is printed. */
export function buildTool(target, nvcc) {
  const steps = [
    ['-S', 'native', '-B', build, '-DCMAKE_BUILD_TYPE=Release', '-DSWARM_GPU_TOOLS=ON'],
    ['--build', build, '--target', target, '--parallel', String(availableParallelism())],
  ]
  for (const args of steps) {
    const result = spawnSync('cmake', args, { cwd: root, env: { ...process.env, CUDACXX: nvcc }, encoding: 'utf8' })
    if (result.status === 0) continue
    process.stdout.write(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}\n`)
    console.log(`failed: cmake ${args.join(' ')}`)
    return undefined
  }
  return join(build, target)
}
