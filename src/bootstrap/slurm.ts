// The sbatch script: one join on each node of the job, then the user's own command.

import { LEAST_PRIVILEGE } from './advice.ts'
import { installFunctions, SAY, secretsFunction } from './install-script.ts'
import { type JoinPlan, joinWords, SWARM_PORT } from './plan.ts'
import { comment, shellWord, shellWords, slurmPath } from './quoting.ts'

export interface SlurmOptions {
  readonly nodes: number
  readonly partition: string | undefined
  /** As sbatch --time takes it. */
  readonly time: string | undefined
  /** File on the shared file system that holds ticket or credentials. */
  readonly secretsFile: string | undefined
  /** Where the package goes on each node; %n and %j are node and job. */
  readonly installDirectory: string
  /** Command to run on every node once all are ready; empty: none. */
  readonly command: readonly string[]
}

/** plan.directory may hold %n (the node's name) and %j (the job's number). */
export function slurmScript(plan: JoinPlan, options: SlurmOptions): string {
  const { partition, time, secretsFile, command } = options
  const directives = [
    '--job-name=swarm',
    `--nodes=${options.nodes}`,
    '--ntasks-per-node=1',
    // Without B: the signal goes to the steps, where exec made swarm the process that gets it.
    '--signal=TERM@60',
    '--output=swarm-%j.log',
    ...(partition === undefined ? [] : [`--partition=${partition}`]),
    ...(time === undefined ? [] : [`--time=${time}`]),
  ]
  const secrets = secretsFile === undefined ? '' : `swarm_secrets ${shellWord(secretsFile)}\n`
  const embedded = plan.embedded.map((line) => `export ${shellWord(line)}\n`).join('')
  const secretsHelp =
    secretsFile === undefined
      ? 'No file of secrets is named. Where join needs a ticket or credentials, print this text again with --secrets FILE.'
      : `Before sbatch, once: umask 077; write KEY=VALUE lines (SWARM_TICKET, AWS_ACCESS_KEY_ID, ...) to the file of secrets named below. Mode must be 0600.`
  const install =
    plan.package === undefined ? 'SWARM=swarm\n' : `swarm_install ${slurmPath(options.installDirectory)}\n`
  return `#!/bin/sh
${directives.map((directive) => `#SBATCH ${directive}`).join('\n')}
${comment(`Restores a snapshot on every node of the job. Written by swarm bootstrap slurm; submit with: sbatch FILE
${secretsHelp}
${LEAST_PRIVILEGE}
Ports: the nodes talk to each other on TCP ${SWARM_PORT}, or the next free one when it is taken. Nothing has to come in from the internet.
Ends: scancel and the time limit send SIGTERM, which swarm uses to save what it has. Submit again: it goes on where it stopped,
as long as the directory survives; node-local scratch that the site wipes after a job starts from nothing.`)}
set -eu
# No name here may be SWARM_<option>: join would read it as that option.
# With a ticket and no store the first node is whom the others dial; with a store they also find each other there.
START_FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
# Where Slurm itself reaches that node: its name, unless the site has set an address.
START_FIRST_AT=$(scontrol --oneliner show node "$START_FIRST" | sed -n 's/.* NodeAddr=\\([^ ]*\\).*/\\1/p')
export START_FIRST START_FIRST_AT
# One node that fails does not end the others; srun's exit code is the worst of all.
code=0
srun --kill-on-bad-exit=0 --ntasks-per-node=1 sh -s <<'SWARM_STEP' || code=$?
set -eu
${SAY}${plan.package === undefined ? '' : installFunctions(plan.package)}${secretsFile === undefined ? '' : secretsFunction()}swarm_step() {
${secrets}${embedded}${install}peer=
if [ "$SLURMD_NODENAME" != "$START_FIRST" ]; then
  # Looked up here: on the first node itself its name may mean 127.0.1.1.
  address=$(getent ahostsv4 "$START_FIRST_AT" | awk '{ print $1; exit }')
  [ -z "$address" ] || peer="--peer /ip4/$address/tcp/${SWARM_PORT}"
fi
# shellcheck disable=SC2086 # peer is empty or two words
exec "$SWARM" join $peer ${shellWords(joinWords(plan).slice(1, -1))} ${slurmPath(plan.directory)}
}
# The text comes on stdin, which no program that it starts may read.
swarm_step </dev/null
SWARM_STEP
if [ "$code" -ne 0 ]; then
  echo "swarm-start: not every node is ready (exit code $code); submit again, it goes on where it stopped" >&2
  exit "$code"
fi
${command.length === 0 ? '# Every node is ready. To run something on all of them, print this text again with: -- COMMAND' : `exec srun --ntasks-per-node=1 ${shellWords(command)}`}
`
}
