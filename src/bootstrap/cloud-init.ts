// cloud-init user-data: a user, the package, a 0600 file of secrets and a systemd unit that joins.

import { LEAST_PRIVILEGE } from './advice.ts'
import { installFunctions, SAY, secretsFunction } from './install-script.ts'
import { type JoinPlan, joinCommand, SWARM_PORT } from './plan.ts'
import { comment, shellWord, yamlBlock } from './quoting.ts'

/** Needs plan.package. */
export function cloudConfig(plan: JoinPlan): string {
  const install =
    plan.package === undefined
      ? 'SWARM=swarm\n'
      : `${installFunctions(plan.package)}swarm_install /var/lib/swarm/package\n`
  const start = `#!/bin/sh
set -eu
${SAY}${secretsFunction()}swarm_secrets /var/lib/swarm/secrets.env
${install}exec ${joinCommand(plan, '"$SWARM"')}
`
  const unit = `[Unit]
Description=swarm join
Wants=network-online.target
After=network-online.target

[Service]
User=swarm
ExecStart=/usr/local/lib/swarm-start
# A join that failed goes on where it stopped; one that is done stays done.
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
`
  const secrets =
    plan.embedded.length > 0
      ? `${plan.embedded.join('\n')}\n`
      : '# KEY=VALUE lines: SWARM_TICKET, AWS_ACCESS_KEY_ID, ...\n'
  return `#cloud-config
${comment(`Restores a snapshot at first boot. Written by swarm bootstrap cloud-init.
Secrets: fill in /var/lib/swarm/secrets.env below, or after boot, then: systemctl restart swarm. User-data can be read from inside the
machine by anyone who can ask the metadata service.
${LEAST_PRIVILEGE}
Firewall: open TCP ${SWARM_PORT} between the machines at the provider; where it stays shut, a machine takes part by dialling out.
Log: journalctl -u swarm`)}
packages: [xz-utils, curl]
users:
  - default
  - name: swarm
    system: true
    homedir: /var/lib/swarm
    shell: /usr/sbin/nologin
write_files:
  - path: /usr/local/lib/swarm-start
    permissions: "0755"
    content: ${yamlBlock(start, 6)}
  - path: /etc/systemd/system/swarm.service
    permissions: "0644"
    content: ${yamlBlock(unit, 6)}
  - path: /var/lib/swarm/secrets.env
    permissions: "0600"
    content: ${yamlBlock(secrets, 6)}
runcmd:
  - [chown, swarm, /var/lib/swarm, /var/lib/swarm/secrets.env]
  - [mkdir, -p, --, ${JSON.stringify(plan.directory)}]
  - [chown, swarm, --, ${JSON.stringify(plan.directory)}]
  - [systemctl, daemon-reload]
  - [systemctl, enable, --now, swarm.service]
# The directory is ${shellWord(plan.directory)}.
`
}
