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
      const what = `${size} in ${formatSeconds(seconds)}: ${from}; sent ${formatBytes(bytes.toPeers)} to peers; decoded on ${result.device} (${result.codecPath})`
      return [name, what, ...describeBound(result)].join('\n')
    }
  }
}

/**
 * How close a join came to the best possible time; where that is not known, what it was instead, and why. No line where
 * nothing was fetched.
 */
export function describeBound(result: TransferReport): string[] {
  const { bound, boundMissing, seconds, firstRequestAtMs } = result
  if (firstRequestAtMs === null) return []
  if (bound === null) return [`${measured(result)}; the best possible time is not known: ${boundMissing}`]
  const { rates, efficiency } = bound
  const alike = rates.nodes > 1 ? ` for ${rates.nodes} equal machines` : ''
  const taken = `${formatSeconds(seconds)} taken (${Math.round(efficiency * 100)} %)`
  return [`${formatSeconds(bound.seconds)} possible${alike}, ${taken}; limited by ${describeLimit(bound)}`]
}

function describeLimit({ limitedBy, rates }: NonNullable<TransferReport['bound']>): string {
  const rate = (bytesPerSec: number | null): string => `${formatBytes(bytesPerSec ?? 0)}/s`
  switch (limitedBy) {
    case 'origin':
      return `the store's ${rate(rates.storeBytesPerSec)}${rates.nodes > 1 ? ' per machine' : ''}`
    case 'downlink':
      return `the ${rate(rates.downBytesPerSec)} that a machine can receive (${rates.declaredBy.down})`
    case 'uplinks':
      return `the ${rate(rates.upBytesPerSec)} that a machine can send (${rates.declaredBy.up})`
    case 'sites':
      return 'the links between sites'
  }
}

/** The rates that showed, which no bound may be made of. */
function measured({ bytes, firstRequestAtMs, readyAtMs }: TransferReport): string {
  const seconds = Math.max(1, readyAtMs - (firstRequestAtMs ?? readyAtMs)) / 1000
  const at = (source: string, count: number): string => `from ${source} at ${formatBytes(count / seconds)}/s`
  return `${at('the store', bytes.fromStore)}, ${at('peers', bytes.fromPeers)}`
}
