// The command line: argv to a command, a failure to an exit code. Every other file here is one group of commands or one
// way of showing things.

import { Command, CommanderError, Option } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { AGENT_VERSION } from '../node/swarm-session.ts'
import { addBenchCommand } from './command-bench.ts'
import { addBootstrapCommand } from './command-bootstrap.ts'
import { addDemoCommand } from './command-demo.ts'
import { addDoctorCommand } from './command-doctor.ts'
import { addJoinCommand } from './command-join.ts'
import { addReplayCommand } from './command-replay.ts'
import { addLookCommands } from './commands-look.ts'
import { addSourceCommands } from './commands-source.ts'
import { Output } from './output.ts'

const NO_WORDS = new Set(['0', 'false', 'no', 'off'])

function makeProgram(): Command {
  const program = new Command('swarm')
    .description('Copies one snapshot of a workspace onto many machines as fast as their links allow.')
    .version(AGENT_VERSION.replace('swarm/', ''), '--version')
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
  addSourceCommands(program)
  addJoinCommand(program)
  addLookCommands(program)
  addBootstrapCommand(program)
  addDoctorCommand(program)
  addDemoCommand(program)
  addBenchCommand(program)
  addReplayCommand(program)
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined })
  dropNegations(program)
  return program
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

async function main(argv: readonly string[]): Promise<number> {
  const program = makeProgram()
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
    const message = error.message.replace(/^error: /, '')
    const cure = 'swarm --help lists the commands, swarm <command> --help its options'
    return plainOutput(argv).failed(new SwarmError('usage', message, { blame: 'caller', cure }))
  }
}

dropEmptyVariables()
process.on('unhandledRejection', (error) => {
  process.exit(plainOutput(process.argv.slice(2)).failed(error))
})
process.exit(await main(process.argv.slice(2)))
