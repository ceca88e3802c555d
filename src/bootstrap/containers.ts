// Texts for rented containers: vast.ai's onstart and RunPod's template. Both run again on every start of the container.

import { LEAST_PRIVILEGE } from './advice.ts'
import { installFunctions, SAY } from './install-script.ts'
import { type JoinPlan, joinCommand } from './plan.ts'
import { comment, shellWord } from './quoting.ts'

/** Ports from here on map to themselves: a request for the platform to choose one number for both sides. */
const IDENTITY_PORT = 70_000

/** Where the text that was given packed lies in the container. */
const VAST_START = '/root/swarm-start.sh'

export interface ContainerOptions {
  readonly image: string
}

/** The onstart text for vast.ai, with the line that makes an instance as a comment. */
export function vastOnstart(plan: JoinPlan, options: ContainerOptions): string {
  return `#!/bin/sh
${comment(`onstart text for vast.ai. Written by swarm bootstrap vast. Save as onstart.sh (not run here). vast.ai takes 4048 characters, so give it packed, without comments:
  vastai create instance OFFER --image ${shellWord(options.image)} --disk 200 --env '-p ${IDENTITY_PORT}:${IDENTITY_PORT} -p 4001:4001' --onstart-cmd "echo $(grep -v '^ *#' onstart.sh | gzip -9c | base64 | tr -d '\\n') | base64 -d | gzip -d >${VAST_START} && sh ${VAST_START}"
Ports: -p ${IDENTITY_PORT}:${IDENTITY_PORT} asks for one number on both sides, the best choice; -p 4001:4001 for images that cannot.
Secrets: set SWARM_TICKET or AWS_ACCESS_KEY_ID, ... in the account's environment variables, not here; the start process gets them, ssh shells do not.
${LEAST_PRIVILEGE}
The disk survives a stop and an interruption: the next start goes on where this one stopped. Traffic is billed per byte.
Log: /var/log/onstart.log`)}
${body(plan, '/opt/swarm')}`
}

/** The fields of a RunPod template; its start command is the sh text at the end. */
export function runpodTemplate(plan: JoinPlan, options: ContainerOptions): string {
  return `#!/bin/sh
${comment(`RunPod template. Written by swarm bootstrap runpod (not run here).
  Container image:       ${options.image}
  Docker start command:  sh /workspace/swarm-start.sh     (save this text as that file on the volume)
  Expose TCP ports:      ${IDENTITY_PORT}     (from 70000 on: one number on both sides), or 4001
  Volume mount path:     /workspace      (survives a stop; the container disk does not)
  Environment:           SWARM_TICKET={{ RUNPOD_SECRET_swarm_ticket }}, or AWS_ACCESS_KEY_ID={{ RUNPOD_SECRET_... }}, ...
Without a public IP a pod takes part by dialling out. Changing a pod wipes its container disk; ports may change on a reset.
${LEAST_PRIVILEGE}`)}
${body(plan, '/workspace/.swarm-package')}`
}

/** The usual images, the one that is the default here among them, have neither; whoever rents the container may add them. */
const TOOLS = `swarm_has() { command -v "$1" >/dev/null 2>&1; }
if swarm_has apt-get && ! { swarm_has xz && { swarm_has curl || swarm_has wget; }; }; then
  swarm_say 'adding xz and curl'
  { apt-get update && apt-get install -y --no-install-recommends xz-utils curl ca-certificates; } >/dev/null || swarm_say 'apt-get failed'
fi
`

function body(plan: JoinPlan, prefix: string): string {
  const embedded = plan.embedded.map((line) => `export ${shellWord(line)}\n`).join('')
  const install =
    plan.package === undefined ? 'SWARM=swarm\n' : `${TOOLS}${installFunctions(plan.package)}swarm_install ${prefix}\n`
  return `set -eu
${SAY}${embedded}${install}# In a container nothing else restarts it: this text runs again on every start, and join then goes on where it stopped.
exec ${joinCommand(plan, '"$SWARM"')}
`
}
