// The program on a host: runAgent, with the program in argv[2] in place of swarm.

import { runAgent } from '../../src/bootstrap/agent.ts'

const [, , program = ''] = process.argv
process.stderr.write('started\n')
await runAgent(process.stdin, program, [])
process.exit(0)
