// npm run bench:gpu: builds gpu_bench and runs it with the arguments given (--json, --device INDEX).
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildTool, findCudaTool, noCuda, root, runCommand } from '../../test/gpu/gpu-tools.mjs'

/** The commit of this tree: an archive made by pack:gpu has it in a file. */
function commitName() {
  const file = join(root, 'commit')
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  const result = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' })
  return result.status === 0 ? result.stdout.trim() : 'unknown'
}

async function runBench() {
  const nvcc = findCudaTool('nvcc')
  if (nvcc === undefined) {
    console.log(noCuda)
    return 0
  }
  const program = buildTool('gpu_bench', nvcc)
  if (program === undefined) return 1
  const { code } = await runCommand(program, ['--commit', commitName(), ...process.argv.slice(2)])
  return code === 0 ? 0 : 1
}

process.exitCode = await runBench()
