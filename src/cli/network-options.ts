// Options of every command that runs a node: where it listens, whom it dials, what it may use.

import { type Command, Option } from 'commander'
import { MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MIN } from '../node/limits.ts'
import type { PeeringOptions } from '../node/peering.ts'
import { collect, siteParser, sizeParser } from './values.ts'

export const LISTEN_DEFAULT = '/ip4/0.0.0.0/tcp/4001'
const DEVICES = ['auto', 'cpu', 'cuda']

export interface NetworkFlags {
  readonly peer?: string[]
  readonly listen?: string[]
  readonly announce?: string[]
  readonly site?: string
  readonly memory: number
  readonly device: 'auto' | 'cpu' | 'cuda'
}

export function peeringOptions(flags: NetworkFlags): PeeringOptions {
  return {
    peers: flags.peer ?? [],
    listen: flags.listen ?? [LISTEN_DEFAULT],
    listenIsDefault: flags.listen === undefined,
    announce: flags.announce ?? [],
    site: flags.site ?? '',
    environment: process.env,
  }
}

export function addNetworkOptions(command: Command): void {
  command
    .addOption(option('--peer <multiaddr>', 'a node to dial (repeatable)').argParser(collect))
    .addOption(
      option(
        '--listen <multiaddr>',
        `where to listen (repeatable; default ${LISTEN_DEFAULT}, next free port if taken; where the place maps one, that one)`,
      ).argParser(collect),
    )
    .addOption(
      option('--announce <multiaddr>', 'an address at which others reach this node (repeatable)').argParser(collect),
    )
    .addOption(
      option(
        '--site <name>',
        'the group of machines that this one reaches cheaply, such as a data centre; few copies of a chunk cross to others',
      ).argParser(siteParser),
    )
    .addOption(
      option('--memory <size>', 'chunk bytes held in memory')
        .argParser(sizeParser(MEMORY_BYTES_MIN, 2 ** 40))
        .default(MEMORY_BYTES_DEFAULT, '512MiB'),
    )
    .addOption(option('--device <device>', 'what decodes').choices(DEVICES).default('auto'))
}

/** An option that can also be set in the environment: --limit-store is SWARM_LIMIT_STORE. */
export function option(flags: string, description: string): Option {
  const made = new Option(flags, description)
  return made.env(`SWARM_${made.name().replaceAll('-', '_').toUpperCase()}`)
}

export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`
}
