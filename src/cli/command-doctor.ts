// `swarm doctor`: says what this machine lacks, with a cure for each finding.

import type { Command } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { examine, type Finding } from '../node/doctor.ts'
import { makeContext } from './context.ts'
import { LISTEN_DEFAULT, option } from './network-options.ts'
import { collect } from './values.ts'

const MARKS: Readonly<Record<Finding['status'], readonly [color: string, mark: string]>> = {
  ok: ['32', 'ok     '],
  warning: ['33', 'warning'],
  failed: ['31', 'FAILED '],
  skipped: ['2', 'skipped'],
}

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'Checks this machine: processors, memory, disk, codec, place, port, and with --store its clock and permissions.',
    )
    .addOption(option('--listen <multiaddr>', 'where a join would listen (repeatable)').argParser(collect))
  command.action(async (flags: { listen?: string[] }) => {
    const { output, machine, storeUrl, signal } = makeContext(command)
    const findings: Finding[] = []
    await examine({
      machine,
      storeUrl,
      listen: flags.listen ?? [LISTEN_DEFAULT],
      listenIsDefault: flags.listen === undefined,
      environment: process.env,
      directory: process.cwd(),
      signal,
      found(finding) {
        findings.push(finding)
        output.line({ type: 'finding', ...finding })
        const [color, mark] = MARKS[finding.status]
        output.print(`${output.paint(color, mark)}  ${finding.check.padEnd(11)}  ${finding.detail}`)
        if (finding.cure !== '') output.print(`         ${' '.repeat(11)}  -> ${finding.cure}`)
      },
    })
    const failures = findings.filter(({ status }) => status === 'failed')
    const warnings = findings.filter(({ status }) => status === 'warning').length
    if (failures.length > 0) {
      throw new SwarmError(
        'internal',
        `${failures.length} checks failed: ${failures.map(({ check }) => check).join(', ')}`,
        {
          blame: 'local',
          cure: 'the lines above say what to do about each',
        },
      )
    }
    output.line({ type: 'summary', command: 'doctor', findings: findings.length, warnings })
  })
}
