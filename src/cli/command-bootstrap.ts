// bootstrap: what starts `swarm join` on a whole cluster. `ssh` does it; the other subcommands print what the place's own tools take.

import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { VERSION } from '../base/version.ts'
import { runAgent } from '../bootstrap/agent.ts'
import { bringUpCluster, type ClusterOutcome } from '../bootstrap/cluster.ts'
import { type HostEntry, parseHosts } from '../bootstrap/hosts-file.ts'
import { type PackageFile, packOwnInstallation, readPackageFile } from '../bootstrap/own-package.ts'
import { SECRET_KEYS } from '../bootstrap/plan.ts'
import { checkPlainText } from '../bootstrap/quoting.ts'
import { Ssh } from '../bootstrap/ssh.ts'
import { type ClusterTarget, findClusterTarget } from '../node/cluster-target.ts'
import { ClusterView } from './cluster-view.ts'
import { addTextCommands } from './command-bootstrap-text.ts'
import { type Context, makeContext } from './context.ts'
import { examples, option } from './network-options.ts'
import { readTicketArgument } from './ticket-argument.ts'
import { countParser, defaultDirectory, formatBytes, formatSeconds } from './values.ts'

const PARALLEL_DEFAULT = 32
const PARALLEL_MAX = 256
const PORT_MAX = 65_535
/** Hosts that the last error names. */
const NAMED_MAX = 8
/** Beside the one that a join listens on. */
const PACKAGE_PORT_DEFAULT = 4002

interface SshFlags {
  readonly hosts: string
  readonly ssh: string
  readonly package?: string
  readonly prefix?: string
  readonly parallel: number
  readonly packagePort: number
}

export function addBootstrapCommand(program: Command): void {
  const bootstrap = program
    .command('bootstrap')
    .description('Starts swarm join on a whole cluster, or prints what does.')
  addSsh(bootstrap)
  addTextCommands(bootstrap)
  addAgent(bootstrap)
  for (const command of bootstrap.commands) command.exitOverride().configureOutput({ writeErr: () => undefined })
}

function addSsh(bootstrap: Command): void {
  const command = bootstrap
    .command('ssh')
    .summary('install swarm on every host of a list and start a join there')
    .description(
      'Installs this program on every host of a file, without root, and restores <snapshot> into <dir> there. The first hosts pass the program on. ' +
        'Joins go on when this command or its connection ends; run again, it finds them, and touches only what is not ready.',
    )
    .argument('<snapshot>', 'a name, name@root, a ticket, - (a ticket on stdin) or @file (a ticket in a file)')
    .argument(
      '[dir]',
      'destination on every host, from the home folder there unless absolute; default: the last part of the name',
    )
    .argument('[join-options...]', 'after --: options of swarm join')
    .addOption(
      option(
        '--hosts <file>',
        'one host a line: host, user@host or user@host:port, or what ~/.ssh/config calls it; # begins a comment',
      ).makeOptionMandatory(),
    )
    .addOption(
      option('--ssh <command>', 'the ssh to use, with its first arguments: "ssh -i key -J jump"').default('ssh'),
    )
    .addOption(option('--package <file>', 'install this file, made by npm run pack, instead of this program'))
    .addOption(option('--prefix <dir>', 'where programs go on the hosts; default: ~/.local/share/swarm'))
    .addOption(
      option('--parallel <n>', 'hosts to install on at a time')
        .argParser(countParser(1, PARALLEL_MAX))
        .default(PARALLEL_DEFAULT),
    )
    .addOption(
      option('--package-port <port>', 'where hosts offer the program to each other, if it is free')
        .argParser(countParser(1, PORT_MAX))
        .default(PACKAGE_PORT_DEFAULT),
    )
    .addHelpText(
      'after',
      examples(
        'swarm bootstrap ssh --hosts hosts.txt team/llama-70b /data/llama --store s3://models/swarm',
        'SWARM_TICKET=swarm1... swarm bootstrap ssh --hosts hosts.txt - /data/model',
        'swarm bootstrap ssh --hosts hosts.txt team/llama-70b /data/llama -- --linger 10m --device cuda',
      ),
    )
  command.action(async (snapshot: string, directory: string | undefined, joinOptions: string[], flags: SshFlags) => {
    const context = makeContext(command)
    const hosts = await readHosts(flags.hosts)
    await runSsh(context, await readTicketArgument(snapshot), directory, joinOptions, hosts, flags)
  })
}

/** Started on the hosts by `bootstrap ssh`; no command for people. */
function addAgent(bootstrap: Command): void {
  bootstrap.command('agent', { hidden: true }).action(async () => {
    await runAgent(process.stdin, mainPath(), process.execArgv)
    // The input may still be open.
    process.exit(0)
  })
}

function mainPath(): string {
  const [, path] = process.argv
  if (path === undefined) throw new SwarmError('internal', 'this program does not know where it lies')
  return path
}

async function readHosts(path: string): Promise<HostEntry[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new SwarmError('usage', `cannot read the hosts file ${path}`, {
      blame: 'caller',
      cure: 'give --hosts FILE with one host a line',
      cause,
    })
  }
  return parseHosts(text, path)
}

async function runSsh(
  context: Context,
  snapshot: string,
  directory: string | undefined,
  joinOptions: readonly string[],
  hosts: readonly HostEntry[],
  flags: SshFlags,
): Promise<void> {
  const { output, machine, signal, storeUrl } = context
  const target = await findClusterTarget(snapshot, storeUrl, machine, signal)
  const file =
    flags.package === undefined
      ? await packOwnInstallation(mainPath(), VERSION, () => output.note('packing this program, once'), signal)
      : await readPackageFile(flags.package)
  warnOfCredentials(context, target)
  const view = new ClusterView(output, hosts)
  let outcome: ClusterOutcome
  try {
    outcome = await bringUpCluster({
      hosts,
      ssh: new Ssh(flags.ssh.split(/\s+/).filter((word) => word !== '')),
      package: file,
      directory: checkPlainText('<dir>', directory ?? defaultDirectory(target.name, target.root)),
      prefix: flags.prefix === undefined ? undefined : checkPlainText('--prefix', flags.prefix),
      root: target.root,
      rawBytes: target.rawBytes,
      joinArgs: (where) => [
        'join',
        target.argument,
        where,
        '--json',
        ...(storeUrl === undefined ? [] : ['--store', storeUrl]),
        ...joinOptions,
      ],
      env: passedOn(target),
      parallel: flags.parallel,
      packagePort: flags.packagePort,
      changed: (host, state) => view.change(host, state),
      signal,
    })
  } finally {
    view.end()
  }
  report(context, hosts, outcome, target, file)
}

/** What a join on a host needs of this process's environment: how to reach the store. */
function passedOn(target: ClusterTarget): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const name of SECRET_KEYS) {
    // A ticket that is set here may lead to another snapshot.
    const value = name === 'SWARM_TICKET' ? target.ticket : process.env[name]
    if (value !== undefined) passed[name] = value
  }
  return passed
}

/** Keys in a file of this machine do not reach the hosts; those may have their own. */
function warnOfCredentials(context: Context, target: ClusterTarget): void {
  const { storeUrl, output } = context
  const isRemote = storeUrl?.startsWith('s3://') === true || storeUrl?.startsWith('r2://') === true
  if (!isRemote || target.ticket !== undefined || (process.env['AWS_ACCESS_KEY_ID'] ?? '') !== '') return
  output.warn(
    'no AWS_ACCESS_KEY_ID is set here, and keys in ~/.aws are not sent: the hosts need credentials of their own, or give a ticket (swarm ticket, swarm seed)',
  )
}

function report(
  context: Context,
  hosts: readonly HostEntry[],
  outcome: ClusterOutcome,
  target: ClusterTarget,
  file: PackageFile,
): void {
  const { output, startedAtMs } = context
  const ready = outcome.states.filter(({ stage }) => stage === 'ready').length
  const failing = hosts.filter((_, index) => outcome.states[index]?.stage !== 'ready').map(({ name }) => name)
  const failed = failing.length
  const seconds = (performance.now() - startedAtMs) / 1000
  const bytesSent = outcome.packageSends * file.bytes
  const facts = {
    hosts: hosts.length,
    ready,
    failed,
    seconds,
    packageSends: outcome.packageSends,
    packageBytesSent: bytesSent,
  }
  output.note(
    `${ready} of ${hosts.length} hosts are ready after ${formatSeconds(seconds)}; the program was sent ${outcome.packageSends} times from here (${formatBytes(bytesSent)})`,
  )
  if (failed === 0) {
    output.line({ type: 'summary', command: 'bootstrap', snapshot: target.name, root: target.root, ...facts })
    return
  }
  throw new SwarmError(
    ready === 0 ? 'allHostsFailed' : 'someHostsFailed',
    `${failed} of ${hosts.length} hosts are not ready: ${failing.slice(0, NAMED_MAX).join(', ')}${failed > NAMED_MAX ? ', ...' : ''}`,
    {
      cure: 'put right what the lines above say and run the same command again: it touches only those',
      details: facts,
    },
  )
}
