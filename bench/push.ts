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
const certificate = makeCertificate(folder)
const push = { command: SWARM, args: ['push', source, 'bench', '--store'] }
try {
  await mkdir(source)
  const rawBytes = await makeWorkspace(options.kind, source, options)
  const runs: Taken[] = []
  for (let round = 0; round < options.rounds; round++) {
    const directory = { ...push, contender: 'to a directory', args: [...push.args, `file://${folder}/store`] }
    runs.push(await take(directory, rawBytes))
    await rm(`${source}/.swarm`, { recursive: true, force: true })
    await rm(`${folder}/store`, { recursive: true })
    for (const tls of [[], certificate]) {
      runs.push(await takeS3(tls, rawBytes))
      await rm(`${source}/.swarm`, { recursive: true, force: true })
    }
    const archive = `tar -C '${source}' -cf - . | zstd -q -3 -T0 -o '${folder}/archive'`
    runs.push(await take({ contender: 'tar | zstd -3', command: 'sh', args: ['-c', archive] }, rawBytes))
    await rm(`${folder}/archive`)
  }
  report(runs, rawBytes, { ...options, machine: machine(), commit: commit() }, options.isJson)
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** What the server needs is not counted: it ends when the push has been. */
async function takeS3(tls: readonly string[], rawBytes: number): Promise<Taken> {
  const store = await S3Process.start(tls)
  const contender = tls.length === 0 ? 'to S3' : 'to S3 over TLS'
  try {
    const { env } = store
    return await take({ ...push, contender, args: [...push.args, 's3://bench/bench'], env }, rawBytes)
  } finally {
    await store.end()
  }
}
