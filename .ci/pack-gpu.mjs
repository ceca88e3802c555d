// npm run pack:gpu: one archive with all that a GPU machine without Node and network needs to run test:gpu, bench:gpu and dist/swarm.
// There: tar xf swarm-gpu.tar.xz && cd swarm-gpu && ./run-gpu.sh
import { copyFileSync, cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyNode, copyProgram, inStagingFolder, root, run, writeArchive } from './pack-parts.mjs'

const ARCHIVE_BYTES_MAX = 40 * 2 ** 20

/** The tests and benchmarks, what they compile, and headers for building the addon again. */
const FOLDERS = [
  'native',
  'protocols/vectors',
  'test/gpu',
  'test/native',
  'bench/gpu',
  'node_modules/node-addon-api',
  'node_modules/node-api-headers',
]

const archive = join(root, 'build', 'swarm-gpu.tar.xz')
const size = inStagingFolder('swarm-gpu', (folder) => {
  for (const path of FOLDERS) cpSync(join(root, path), join(folder, path), { recursive: true })
  copyProgram(join(folder, 'dist'))
  // Where the launcher and run-gpu.sh look for it.
  copyNode(join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node'))
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
  copyFileSync(join(root, '.ci', 'run-gpu.sh'), join(folder, 'run-gpu.sh'))
  writeFileSync(join(folder, 'commit'), run('git', ['describe', '--always', '--dirty']))
  return writeArchive(folder, archive, 9, ARCHIVE_BYTES_MAX)
})
console.log(`build/swarm-gpu.tar.xz: ${size} MiB`)
