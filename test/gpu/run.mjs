// npm run test:gpu: builds gpu_test, runs it on the GPUs of this machine, and again with small inputs under compute-sanitizer.
import { join } from 'node:path'
import { buildTool, findCudaTool, noCuda, root, runCommand } from './gpu-tools.mjs'

/** What is looked for: accesses out of bounds, races on shared memory, threads that miss a barrier. */
const SANITIZER_TOOLS = ['memcheck', 'racecheck', 'synccheck']
const SANITIZER_EXIT_CODE = 9

const counts = { passed: 0, failed: 0, skipped: 0 }

async function runTest(name, command, args) {
  console.log(`${name}:`)
  const { code, output } = await runCommand(command, args)
  const outcome = code !== 0 ? 'failed' : /^skipped: /m.test(output) ? 'skipped' : 'passed'
  counts[outcome]++
  console.log(`${name}: ${outcome}${code === 0 ? '' : ` (exit ${code})`}`)
}

async function runTests(program) {
  const vectors = join(root, 'protocols', 'vectors', 'chunk')
  await runTest('gpu_test', program, [vectors])
  const sanitizer = findCudaTool('compute-sanitizer')
  if (sanitizer === undefined) {
    counts.skipped += SANITIZER_TOOLS.length
    console.log(`skipped: compute-sanitizer is not installed (${SANITIZER_TOOLS.join(', ')})`)
    return
  }
  for (const tool of SANITIZER_TOOLS) {
    // The program looks at what calls return; that memory is short is one of its tests.
    const checks = tool === 'memcheck' ? ['--report-api-errors', 'no'] : []
    const options = ['--tool', tool, '--error-exitcode', String(SANITIZER_EXIT_CODE), ...checks]
    await runTest(`gpu_test under ${tool}`, sanitizer, [...options, program, '--quick', vectors])
  }
}

const nvcc = findCudaTool('nvcc')
if (nvcc === undefined) {
  counts.skipped += 1 + SANITIZER_TOOLS.length
  console.log(noCuda)
} else {
  const program = buildTool('gpu_test', nvcc)
  if (program === undefined) counts.failed++
  else await runTests(program)
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = counts.failed === 0 ? 0 : 1
