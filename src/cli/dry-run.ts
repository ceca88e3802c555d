// `join --dry-run`: what a join would have to do, without doing any of it.

import { resolve } from 'node:path'
import { lookUp } from '../node/look-up.ts'
import { verifyTree } from '../node/verify.ts'
import type { Context } from './context.ts'
import { defaultDirectory, formatBytes } from './values.ts'

const SHOWN_MAX = 20

export async function showPlan(
  context: Context,
  snapshot: string,
  directory: string | undefined,
  peers: readonly string[],
): Promise<void> {
  const { output, machine, storeUrl, signal } = context
  const quietly = { emit: () => undefined, log: (text: string) => output.log(text) }
  const { target, manifest } = await lookUp({ snapshot, storeUrl, machine, peers, ...quietly, signal })
  const path = resolve(directory ?? defaultDirectory(target.name, target.root))
  const codec = machine.openCodec('cpu')
  const differences = await verifyTree({ manifest, directory: path, codec, onProgress: () => undefined, signal })
  await codec.close()
  const { fileCount, count } = manifest.entries
  output.line({
    type: 'summary',
    command: 'join',
    dryRun: true,
    snapshot: target.name,
    root: manifest.root,
    directory: path,
    entries: count,
    files: fileCount,
    differences: differences.length,
    bytes: { raw: manifest.rawBytes, encoded: manifest.encodedBytes },
  })
  output.print(
    `${manifest.root}: ${fileCount} files, ${formatBytes(manifest.rawBytes)} (${formatBytes(manifest.encodedBytes)} encoded)`,
  )
  output.print(
    `${count - differences.length} of ${count} entries in ${path} are right; ${differences.length} would be made or replaced`,
  )
  for (const { path: name, problem } of differences.slice(0, SHOWN_MAX)) output.print(`  ${problem}: ${name}`)
  if (differences.length > SHOWN_MAX) output.print(`  and ${differences.length - SHOWN_MAX} more`)
}
