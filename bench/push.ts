// What does it cost to push a workspace, to a store that is a directory and to one that speaks S3, beside tar and zstd -3?
// Usage: --help.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeCertificate } from '../test/support/certificate.ts'
import { commit, machine } from './provenance.ts'
import { S3Process } from './s3-process.ts'
import { SWARM } from './swarm-process.ts'
import { report, type Taken, take } from './tree/measure.ts'
import { parseTreeOptions } from './tree/options.ts'
import { makeWorkspace } from './tree/workspaces.ts'

const options = parseTreeOptions('bench:push')
const folder = await mkdtemp(join(options.dir, 'swarm-push-'))
const source = `${folder}/source`
const push = { command: SWARM, args: ['push', source, 'bench', '--store'] }
try {
  await mkdir(source)
  const rawBytes = await makeWorkspace(options.kind, source, options)
  const runs: Taken[] = []
  const takers: Record<string, () => Promise<Taken>> = {
    'to a directory': async () => {
      const args = [...push.args, `file://${folder}/store`]
      return take({ ...push, contender: 'to a directory', args }, rawBytes)
    },
    'to S3': () => takeS3('to S3', [], rawBytes),
    'to S3 over TLS': () => takeS3('to S3 over TLS', makeCertificate(folder), rawBytes),
    'tar | zstd -3': () => {
      const archive = `tar -C '${source}' -cf - . | zstd -q -3 -T0 -o '${folder}/archive'`
      return take({ contender: 'tar | zstd -3', command: 'sh', args: ['-c', archive] }, rawBytes)
    },
  }
  const only = options.only.length === 0 ? Object.keys(takers) : options.only
  for (let round = 0; round < options.rounds; round++)
    for (const name of only) {
      const taker = takers[name]
      if (taker === undefined) throw new Error(`--only is one of: ${Object.keys(takers).join(', ')}`)
      runs.push(await taker())
      for (const made of [`${folder}/store`, `${folder}/archive`, `${source}/.swarm`])
        await rm(made, { recursive: true, force: true })
    }
  report(runs, rawBytes, { ...options, machine: machine(), commit: commit() }, options.isJson)
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** What the server needs is not counted: it ends when the push has been. */
async function takeS3(contender: string, tls: readonly string[], rawBytes: number): Promise<Taken> {
  const store = await S3Process.start(tls)
  try {
    const { env } = store
    return await take({ ...push, contender, args: [...push.args, 's3://bench/bench'], env }, rawBytes)
  } finally {
    await store.end()
  }
}
