// The last words of push, seed and join.

import type { TransferReport } from '../node/join-events.ts'
import type { Output } from './output.ts'
import { formatBytes, formatSeconds } from './values.ts'

type Result = TransferReport & { readonly shared?: boolean; readonly unchanged?: boolean; readonly sequence?: number }

export function showResult(output: Output, result: Result): void {
  output.line({ type: 'summary', ...result })
  if (!output.options.json && !output.options.quiet) output.print(describe(result))
}

function describe(result: Result): string {
  const { bytes, files, seconds, snapshot, root } = result
  const ratio = bytes.encoded > 0 ? (bytes.raw / bytes.encoded).toFixed(2) : '1.00'
  const size = `${files} files, ${formatBytes(bytes.raw)} (${formatBytes(bytes.encoded)} encoded, ratio ${ratio})`
  const name = `${snapshot === '' ? '' : `${snapshot}@`}${root}`
  switch (result.command) {
    case 'push': {
      const what = result.unchanged === true ? 'unchanged, still' : 'published as'
      return `${name}\n${size}; uploaded ${formatBytes(bytes.toStore)} in ${formatSeconds(seconds)}; ${what} version ${result.sequence}`
    }
    case 'seed':
      return `${name}\n${size}; sent ${formatBytes(bytes.toPeers)} to ${result.peers} peers`
    case 'join': {
      if (result.shared === true) return `${name}\n${size}; another process on this machine restored it here`
      const from = `${formatBytes(bytes.fromStore)} from the store, ${formatBytes(bytes.fromPeers)} from peers, ${formatBytes(bytes.fromSelf)} already here`
      return `${name}\n${size} in ${formatSeconds(seconds)}: ${from}; sent ${formatBytes(bytes.toPeers)} to peers; decoded on ${result.device} (${result.codecPath})`
    }
  }
}
