// What does it cost to push a workspace to a store that is a directory, beside tar and zstd -3? Usage: --help.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { commit, machine } from './provenance.ts'
import { SWARM } from './swarm-process.ts'
import { report, type Taken, take } from './tree/measure.ts'
import { parseTreeOptions } from './tree/options.ts'
import { makeWorkspace } from './tree/workspaces.ts'

const options = parseTreeOptions('bench:push')
const folder = await mkdtemp(join(options.dir, 'swarm-push-'))
try {
  const source = `${folder}/source`
  await mkdir(source)
  const rawBytes = await makeWorkspace(options.kind, source, options)
  const runs: Taken[] = []
  for (let round = 0; round < options.rounds; round++) {
    const store = `${folder}/store`
    runs.push(await take('swarm push', SWARM, ['push', source, 'bench', '--store', `file://${store}`]))
    const archive = `tar -C '${source}' -cf - . | zstd -q -3 -T0 -o '${folder}/archive'`
    runs.push(await take('tar | zstd -3', 'sh', ['-c', archive]))
    for (const made of [store, `${folder}/archive`, `${source}/.swarm`])
      await rm(made, { recursive: true, force: true })
  }
  report(runs, rawBytes, { ...options, machine: machine(), commit: commit() }, options.isJson)
} finally {
  await rm(folder, { recursive: true, force: true })
}
