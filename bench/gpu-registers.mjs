// Prints registers, spills and shared memory of each kernel for each architecture, as the assembler counts them. Needs nvcc, no GPU.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const NATIVE = fileURLToPath(new URL('../native/', import.meta.url))
const ARCHITECTURES = ['80', '86', '89', '90', '100', '120']

/** One line of the table for each kernel: what `--ptxas-options=-v` says of it. */
function measure(architecture) {
  const target = `arch=compute_${architecture},code=sm_${architecture}`
  const options = ['-std=c++17', '-O3', '--expt-relaxed-constexpr', '-Iinclude', '-I.', '-gencode', target]
  const args = [...options, '--ptxas-options=-v', '-cubin', 'cuda/kernels.cu', '-o', '/dev/null']
  const result = spawnSync('nvcc', args, { cwd: NATIVE, encoding: 'utf8' })
  if (result.error !== undefined) throw new Error('skipped: there is no nvcc here')
  if (result.status !== 0) throw new Error(result.stderr)
  const found = new Map()
  const blocks = result.stderr.split('Compiling entry function ').slice(1)
  for (const block of blocks) {
    const mangled = /^'(\w+)'/.exec(block)?.[1] ?? ''
    const name = /\d+([a-z][A-Za-z]+)ENS0_/.exec(mangled)?.[1] ?? mangled
    const number = (pattern) => Number(pattern.exec(block)?.[1] ?? 0)
    const registers = number(/Used (\d+) registers/)
    const spills = number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/)
    found.set(name, { registers, spills, shared: number(/(\d+) bytes smem/) })
  }
  return found
}

try {
  const columns = ARCHITECTURES.map(measure)
  console.log(
    `| kernel: registers (bytes spilt) | ${ARCHITECTURES.map((each) => `sm_${each}`).join(' | ')} | shared memory |`,
  )
  console.log(`|---|${'---|'.repeat(ARCHITECTURES.length + 1)}`)
  for (const [name, { shared }] of columns[0]) {
    const cells = columns.map((column) => `${column.get(name).registers} (${column.get(name).spills})`)
    console.log(`| ${name} | ${cells.join(' | ')} | ${shared} |`)
  }
} catch (error) {
  console.log(error.message)
}
