// bootstrap slurm, k8s, cloud-init, vast, runpod: each prints a text for another machine and touches nothing.

import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { describeError } from '../base/errors.ts'
import { cloudConfig } from '../bootstrap/cloud-init.ts'
import { runpodTemplate, vastOnstart } from '../bootstrap/containers.ts'
import { kubernetesManifests } from '../bootstrap/kubernetes.ts'
import { fileHash } from '../bootstrap/own-package.ts'
import { checkPackage, checkStoreUrl, isRemote, type JoinPlan, parseSecrets, usage } from '../bootstrap/plan.ts'
import { checkPlainText } from '../bootstrap/quoting.ts'
import { slurmScript } from '../bootstrap/slurm.ts'
import { checkSnapshotName, isTicket } from '../node/tickets.ts'
import { makeContext } from './context.ts'
import { examples } from './network-options.ts'
import { readTicketArgument } from './ticket-argument.ts'
import { countParser } from './values.ts'

const NODES_MAX = 10_000
const OWN_OPTION =
  /^--(package|package-url|package-sha256|secrets|embed-secrets|join-arg|nodes|partition|time|install-dir|install-image|image|kind|name)(=|$)/

interface TextFlags {
  readonly packageUrl?: string
  readonly packageSha256?: string
  readonly package?: string
  readonly secrets?: string
  readonly embedSecrets?: boolean
  readonly joinArg?: string[]
  readonly image: string
  readonly installImage: string
  readonly kind: 'job' | 'daemonset' | 'init'
  readonly nodes: number
  readonly name: string
  readonly partition?: string
  readonly time?: string
  readonly installDir: string
}

/** Adds every text as a subcommand of `bootstrap`. */
export function addTextCommands(bootstrap: Command): void {
  const slurm = add(bootstrap, 'slurm', 'an sbatch script that starts', '/tmp/workspace', (plan, flags, command) =>
    slurmScript(plan, {
      nodes: flags.nodes,
      partition: flags.partition,
      time: flags.time,
      secretsFile: flags.embedSecrets === true ? undefined : flags.secrets,
      installDirectory: flags.installDir,
      command,
    }),
  )
  slurm
    .argument('[command...]', 'after --: what to run on every node once all are ready')
    .addOption(nodesOption())
    .option('--partition <name>', 'as sbatch takes it', word)
    .option('--time <limit>', 'as sbatch takes it', word)
    .option('--install-dir <dir>', 'where swarm goes on each node; %n is the node, %j the job', '/tmp/swarm-package-%n')
  add(bootstrap, 'k8s', 'Kubernetes manifests that start', '/workspace/data', (plan, flags) =>
    kubernetesManifests(plan, flags),
  )
    .addOption(new Option('--kind <kind>', 'what to make').choices(['job', 'daemonset', 'init']).default('job'))
    .addOption(nodesOption())
    .option('--name <name>', 'of every object', label, 'swarm')
    .option('--image <image>', 'runs swarm; without --package-url it holds swarm', word, 'debian:stable-slim')
    .option('--install-image <image>', 'unpacks the package', word, 'busybox:stable')
  add(bootstrap, 'cloud-init', 'cloud-init user-data that starts', '/srv/workspace', (plan) => cloudConfig(plan))
  for (const [name, what, text] of [
    ['vast', 'the onstart text for vast.ai that starts', vastOnstart],
    ['runpod', 'a RunPod template that starts', runpodTemplate],
  ] as const) {
    add(bootstrap, name, what, '/workspace/data', (plan, flags) => text(plan, flags)).option(
      '--image <image>',
      'container image; xz and curl are added where it has apt-get',
      word,
      'nvidia/cuda:12.8.1-base-ubuntu24.04',
    )
  }
}

function nodesOption(): Option {
  return new Option('--nodes <n>', 'machines').argParser(countParser(1, NODES_MAX)).default(2)
}

type Maker = (plan: JoinPlan, flags: TextFlags, command: readonly string[]) => string

function add(bootstrap: Command, name: string, what: string, directory: string, make: Maker): Command {
  const command = bootstrap
    .command(name)
    .description(`Prints ${what} swarm join.`)
    .argument('<snapshot>', 'a name or name@root; - when SWARM_TICKET is set on the machines')
    .argument('[dir]', 'destination on the machines', directory)
    .option('--package-url <url>', 'where the machines get the packed file: https://, or a path that all see')
    .option('--package-sha256 <hex>', 'its SHA-256')
    .option('--package <file>', 'the packed file here, whose SHA-256 is then computed')
    .option('--secrets <file>', 'KEY=VALUE lines: read on the nodes (slurm), or here with --embed-secrets')
    .option('--embed-secrets', 'put ticket and secrets into the text')
    .option(
      '--join-arg <arg>',
      'a further argument of join, as in --join-arg=--linger --join-arg=2s (repeatable)',
      joinArgument,
    )
    .addHelpText(
      'after',
      examples(
        `swarm bootstrap ${name} team/llama-70b --package-url https://host/swarm-0.1.0-linux-x64.tar.xz --package swarm-0.1.0-linux-x64.tar.xz`,
      ),
    )
  command.action(async (snapshot: string, dir: string, ...rest: unknown[]) => {
    const { output, storeUrl } = makeContext(command)
    const flags = command.opts<TextFlags>()
    const plan = await makePlan(name, snapshot, dir, flags, storeUrl)
    const words = Array.isArray(rest[0]) ? rest[0].map((part) => checkPlainText('the command', String(part))) : []
    const text = make(plan, flags, words)
    output.print(text.trimEnd())
    output.line({ type: 'summary', command: 'bootstrap', place: name, text })
  })
  return command
}

async function makePlan(
  place: string,
  given: string,
  directory: string,
  flags: TextFlags,
  storeUrl: string | undefined,
): Promise<JoinPlan> {
  if (place === 'k8s' && flags.embedSecrets === true) {
    throw usage('k8s takes no --embed-secrets', 'make a Secret, as the first lines of the printed text show')
  }
  const named = given === '-' ? given : await readTicketArgument(given)
  const embedded: string[] = []
  if (isTicket(named)) {
    if (flags.embedSecrets !== true) {
      throw usage(
        'the ticket is a secret and would stand in the text',
        'give - as <snapshot> and SWARM_TICKET to the machines, as the text explains; or insist with --embed-secrets',
      )
    }
    embedded.push(`SWARM_TICKET=${named}`)
  }
  if (flags.embedSecrets === true && flags.secrets !== undefined)
    embedded.push(...parseSecrets(await readSecrets(flags.secrets)))
  if (flags.secrets !== undefined) checkPlainText('--secrets', flags.secrets)
  if (flags.installDir !== undefined) checkPlainText('--install-dir', flags.installDir)
  checkPlainText('<dir>', directory)
  if (!directory.startsWith('/'))
    throw usage(`<dir> is not absolute: ${directory}`, 'give the full path on the machines')
  return {
    snapshot: isTicket(named) || named === '-' ? '-' : checkSnapshotName(named),
    directory,
    storeUrl: storeUrl === undefined ? undefined : checkStoreUrl(storeUrl),
    joinArguments: (flags.joinArg ?? []).map((part) => checkPlainText('--join-arg', part)),
    package: await packageOf(place, flags),
    embedded,
  }
}

async function packageOf(place: string, flags: TextFlags): Promise<JoinPlan['package']> {
  if (flags.packageUrl === undefined) {
    if (place === 'k8s' && flags.image !== 'debian:stable-slim') return undefined
    throw usage(
      '--package-url is missing',
      'give the address of swarm-<version>-linux-<arch>.tar.xz and its --package-sha256',
    )
  }
  const sha256 = flags.packageSha256 ?? (flags.package === undefined ? '' : await hashPackage(flags.package))
  const source = checkPackage(flags.packageUrl, sha256)
  if (place !== 'slurm' && !isRemote(source))
    throw usage('--package-url is a path', 'give an https:// address; only slurm has a shared file system')
  return source
}

async function hashPackage(file: string): Promise<string> {
  try {
    return await fileHash(file)
  } catch (error) {
    throw usage(`cannot read the package ${file}: ${describeError(error)}`, 'check the path after --package')
  }
}

async function readSecrets(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw usage(`cannot read the file of secrets ${file}: ${describeError(error)}`, 'check the path after --secrets')
  }
}

function word(text: string): string {
  if (/^[A-Za-z0-9._:/@+-]+$/.test(text)) return text
  throw usage(`not a plain word: ${JSON.stringify(text)}`, 'use letters, digits and . _ : / @ + -')
}

function label(text: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$/.test(text)) return text
  throw usage(`not a Kubernetes name: ${JSON.stringify(text)}`, 'use at most 52 lower-case letters, digits and -')
}

function joinArgument(text: string, previous: readonly string[] | undefined): string[] {
  // Commander takes --json, --store and the like wherever they stand; behind a bare --join-arg our next option is left.
  if (OWN_OPTION.test(text)) {
    throw usage(`${text} is no argument of join`, 'write the option and its value as one word: --join-arg=--json')
  }
  return [...(previous ?? []), text]
}
