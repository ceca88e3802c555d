// The command line: argv to a command, a failure to an exit code. Every other file here is one group of commands or one
// way of showing things.

import { Command, CommanderError, Option } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { dropLauncherTunables } from '../base/launcher.ts'
import { VERSION } from '../base/version.ts'
import { Output } from './output.ts'

/**
 * In the order of the help. A command loads what it needs when it is asked for: a join starts without the code that
 * brings up clusters, and `--version` without either.
 */
const COMMANDS: readonly { readonly names: readonly string[]; readonly add: (program: Command) => Promise<void> }[] = [
  { names: ['push', 'seed'], add: async (to) => (await import('./commands-source.ts')).addSourceCommands(to) },
  { names: ['join'], add: async (to) => (await import('./command-join.ts')).addJoinCommand(to) },
  {
    names: ['list', 'inspect', 'ticket', 'verify'],
    add: async (to) => (await import('./commands-look.ts')).addLookCommands(to),
  },
  { names: ['bootstrap'], add: async (to) => (await import('./command-bootstrap.ts')).addBootstrapCommand(to) },
  { names: ['doctor'], add: async (to) => (await import('./command-doctor.ts')).addDoctorCommand(to) },
  { names: ['demo'], add: async (to) => (await import('./command-demo.ts')).addDemoCommand(to) },
  { names: ['bench'], add: async (to) => (await import('./command-bench.ts')).addBenchCommand(to) },
  { names: ['replay'], add: async (to) => (await import('./command-replay.ts')).addReplayCommand(to) },
]

const NO_WORDS = new Set(['0', 'false', 'no', 'off'])

async function makeProgram(argv: readonly string[]): Promise<Command> {
  const program = new Command('swarm')
    .description('Copies one snapshot of a workspace onto many machines as fast as their links allow.')
    .version(VERSION, '--version')
    .addOption(new Option('--store <url>', 's3://bucket/prefix, r2://bucket/prefix or file:///dir').env('SWARM_STORE'))
    .addOption(new Option('--json', 'JSON lines on stdout').env('SWARM_JSON'))
    .addOption(new Option('--quiet', 'no progress').env('SWARM_QUIET'))
    .addOption(new Option('--verbose', 'say what happens inside').env('SWARM_VERBOSE'))
    .addOption(
      new Option('--color <when>', 'colour on a terminal')
        .choices(['auto', 'always', 'never'])
        .default('auto')
        .env('SWARM_COLOR'),
    )
    .addOption(new Option('--log-file <file>', 'append what happens to a file').env('SWARM_LOG_FILE'))
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeErr: () => undefined })
    .exitOverride()
  for (const { add } of commandsFor(program, argv)) await add(program)
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined })
  dropNegations(program)
  return program
}

/** Those that the arguments can mean: the one that is named, or all, as help and a misspelt name need them. */
function commandsFor(program: Command, argv: readonly string[]): typeof COMMANDS {
  if (argv[0] === '--version') return []
  const named = commandsNamed(commandName(program, argv))
  return named.length === 0 ? COMMANDS : named
}

function commandsNamed(name: string | undefined): typeof COMMANDS {
  return COMMANDS.filter(({ names }) => name !== undefined && names.includes(name))
}

/** The first argument that is neither an option nor the value of one. */
function commandName(program: Command, argv: readonly string[]): string | undefined {
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? ''
    const takesNext = program.options.some((option) => option.required && option.long === argument)
    if (takesNext) at++
    else if (!argument.startsWith('-')) return argument
  }
  return undefined
}

/** A variable that says no to a flag without a value counts as not set. */
function dropNegations(command: Command): void {
  for (const option of command.options) {
    const { envVar } = option
    if (envVar === undefined || !option.isBoolean()) continue
    if (NO_WORDS.has(process.env[envVar]?.toLowerCase() ?? '')) delete process.env[envVar]
  }
  for (const child of command.commands) dropNegations(child)
}

/** A variable that is set to nothing, as templates and manifests leave it, counts as not set. */
function dropEmptyVariables(): void {
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith('SWARM_') && value === '') delete process.env[name]
  }
}

/** For failures before or outside a command's own context. */
function plainOutput(argv: readonly string[]): Output {
  const has = (flag: string): boolean => argv.includes(flag)
  const json = has('--json') || process.env['SWARM_JSON'] !== undefined
  return new Output({ json, quiet: has('--quiet'), verbose: has('--verbose'), color: 'auto', logFile: undefined })
}

/** `name` is the command that the arguments name, if they do. */
function usageError({ code, message }: CommanderError, name: string | undefined): SwarmError {
  let what = message.replace(/^error: /, '')
  let cure = 'swarm --help lists the commands, swarm <command> --help its options'
  // That it would have shown the help is all that the library says of a command that is missing.
  if (code === 'commander.help') {
    what = name === 'help' ? 'help for a command that does not exist' : 'no command of that name, or none at all'
    if (commandsNamed(name).length > 0) cure = `swarm ${name} --help lists those of ${name}`
  }
  return new SwarmError('usage', what, { blame: 'caller', cure })
}

async function main(argv: readonly string[]): Promise<number> {
  const program = await makeProgram(argv)
  try {
    if (argv.length === 0) {
      process.stderr.write(program.helpInformation())
      return 2
    }
    await program.parseAsync(argv, { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) return plainOutput(argv).failed(error)
    if (error.exitCode === 0) return 0
    return plainOutput(argv).failed(usageError(error, commandName(program, argv)))
  }
}

dropEmptyVariables()
dropLauncherTunables(process.env)
process.on('unhandledRejection', (error) => {
  process.exit(plainOutput(process.argv.slice(2)).failed(error))
})
process.exit(await main(process.argv.slice(2)))
