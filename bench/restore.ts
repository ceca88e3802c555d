// What does it cost to restore a workspace from a peer on the same machine, from a store that is a directory and from one that
// speaks S3, beside zstd and tar? Every tree is compared with its source. Usage: --help.

import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join as path } from 'node:path'
import { commit, machine } from './provenance.ts'
import { S3Process } from './s3-process.ts'
import { LISTEN, SWARM, SwarmProcess } from './swarm-process.ts'
import { type Command, report, type Taken, take } from './tree/measure.ts'
import { parseTreeOptions } from './tree/options.ts'
import { makeWorkspace } from './tree/workspaces.ts'

interface Contender extends Command {
  /** Makes what it restores from. */
  prepare(): void
}

const options = parseTreeOptions('bench:restore')
const folder = await mkdtemp(path(options.dir, 'swarm-restore-'))
const source = `${folder}/source`
const copy = `${folder}/copy`
const directory = `file://${folder}/store`
const bucket = 's3://bench/bench'
await mkdir(source)
const rawBytes = await makeWorkspace(options.kind, source, options)
const s3 = await S3Process.start()
const { env } = s3
const seed = new SwarmProcess(['seed', source, ...LISTEN])
try {
  const ticket = String((await seed.line('listening'))['ticket'])
  const join = (contender: string, args: readonly string[], prepare: () => void): Contender => ({
    contender,
    command: SWARM,
    args: ['join', ...args, ...LISTEN, '--linger', '0'],
    env,
    prepare,
  })
  const push = (store: string) => () =>
    execFileSync(SWARM, ['push', source, 'bench', '--store', store], { env: { ...process.env, ...env }, stdio: 'pipe' })
  const archive = `${folder}/archive`
  const all: readonly Contender[] = [
    join('from a peer', [ticket, copy], () => undefined),
    join('from a directory', ['bench', copy, '--store', directory], push(directory)),
    join('from S3', ['bench', copy, '--store', bucket], push(bucket)),
    {
      contender: 'zstd | tar',
      command: 'sh',
      args: ['-c', `mkdir '${copy}' && zstd -q -dc '${archive}' | tar -C '${copy}' -xf -`],
      prepare: () => execFileSync('sh', ['-c', `tar -C '${source}' -cf - . | zstd -q -3 -T0 -o '${archive}'`]),
    },
  ]
  const contenders = all.filter(({ contender }) => options.only.length === 0 || options.only.includes(contender))
  if (contenders.length === 0) throw new Error(`--only is one of: ${all.map(({ contender }) => contender).join(', ')}`)
  for (const { prepare } of contenders) prepare()
  const runs: Taken[] = []
  for (let round = 0; round < options.rounds; round++)
    for (const contender of contenders) {
      runs.push(await take(contender, rawBytes))
      execFileSync('diff', ['-r', '--no-dereference', '--exclude=.swarm', source, copy], { stdio: 'inherit' })
      await rm(copy, { recursive: true })
    }
  report(runs, rawBytes, { ...options, machine: machine(), commit: commit() }, options.isJson)
} finally {
  await seed.end()
  await s3.end()
  await rm(folder, { recursive: true, force: true })
}
