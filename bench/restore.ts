// What does it cost to restore a workspace from a peer on the same machine, and from a store that is a directory, beside zstd and tar?
// Every tree is compared with its source. Usage: --help.

import { execFileSync, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { commit, machine } from './provenance.ts'
import { report, SWARM, type Taken, take } from './tree/measure.ts'
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
const seed = spawn(SWARM, ['seed', source, '--listen', '/ip4/127.0.0.1/tcp/0', '--json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  const ticket = await ticketOf(seed.stdout)
  const runs: Taken[] = []
  for (let round = 0; round < options.rounds; round++) {
    for (const [contender, command, args] of [
      ['from a peer', SWARM, ['join', ticket, copy, '--listen', '/ip4/127.0.0.1/tcp/0', '--linger', '0']],
      ['from a store', SWARM, ['join', 'bench', copy, ...store, '--listen', '/ip4/127.0.0.1/tcp/0', '--linger', '0']],
      ['zstd | tar', 'sh', ['-c', `mkdir '${copy}' && zstd -q -dc '${folder}/archive' | tar -C '${copy}' -xf -`]],
    ] as const) {
      runs.push(await take(contender, command, args))
      execFileSync('diff', ['-r', '--no-dereference', '--exclude=.swarm', source, copy], { stdio: 'inherit' })
      await rm(copy, { recursive: true })
    }
  }
  report(runs, rawBytes, { ...options, machine: machine(), commit: commit() }, options.isJson)
} finally {
  seed.kill('SIGINT')
  await new Promise((resolve) => seed.on('close', resolve))
  await rm(folder, { recursive: true, force: true })
}

/** What a seed says as soon as it serves. */
async function ticketOf(stdout: NodeJS.ReadableStream): Promise<string> {
  for await (const text of createInterface({ input: stdout })) {
    const line: { readonly type: string; readonly ticket?: string } = JSON.parse(text)
    if (line.ticket !== undefined) return line.ticket
  }
  throw new Error('the seed ended before it served')
}
