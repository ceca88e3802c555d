// What does it cost to restore a workspace from a peer on the same machine, and from a store that is a directory, beside zstd and tar?
// Every tree is compared with its source. Usage: --help.

import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { commit, machine } from './provenance.ts'
import { LISTEN, SWARM, SwarmProcess } from './swarm-process.ts'
import { report, type Taken, take } from './tree/measure.ts'
import { parseTreeOptions } from './tree/options.ts'
import { makeWorkspace } from './tree/workspaces.ts'

const options = parseTreeOptions('bench:restore')
const folder = await mkdtemp(join(options.dir, 'swarm-restore-'))
const source = `${folder}/source`
const copy = `${folder}/copy`
const store = ['--store', `file://${folder}/store`]
await mkdir(source)
const rawBytes = await makeWorkspace(options.kind, source, options)
await take('swarm push', SWARM, ['push', source, 'bench', ...store])
await take('tar | zstd -3', 'sh', ['-c', `tar -C '${source}' -cf - . | zstd -q -3 -T0 -o '${folder}/archive'`])
const seed = new SwarmProcess(['seed', source, ...LISTEN])
try {
  const ticket = String((await seed.line('listening'))['ticket'])
  const runs: Taken[] = []
  for (let round = 0; round < options.rounds; round++) {
    for (const [contender, command, args] of [
      ['from a peer', SWARM, ['join', ticket, copy, ...LISTEN, '--linger', '0']],
      ['from a store', SWARM, ['join', 'bench', copy, ...store, ...LISTEN, '--linger', '0']],
      ['zstd | tar', 'sh', ['-c', `mkdir '${copy}' && zstd -q -dc '${folder}/archive' | tar -C '${copy}' -xf -`]],
    ] as const) {
      runs.push(await take(contender, command, args))
      execFileSync('diff', ['-r', '--no-dereference', '--exclude=.swarm', source, copy], { stdio: 'inherit' })
      await rm(copy, { recursive: true })
    }
  }
  report(runs, rawBytes, { ...options, machine: machine(), commit: commit() }, options.isJson)
} finally {
  await seed.end()
  await rm(folder, { recursive: true, force: true })
}
