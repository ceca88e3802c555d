// A Slurm of several nodes on one machine, each node in a network namespace; how it is set up stands in slurm.sh.

import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { inNamespace, type Network, networkUnavailable } from './netns.ts'

const runFile = promisify(execFile)
const SCRIPT = join(import.meta.dirname, 'slurm.sh')
const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'sbatch', 'srun', 'scancel']
const CONTROLLER = 1

/** Why there can be no Slurm here, or undefined when there can. */
export function slurmUnavailable(): string | undefined {
  const path = ['/usr/sbin', ...(process.env['PATH'] ?? '').split(':')]
  const missing = PROGRAMS.filter((program) => !path.some((folder) => existsSync(join(folder, program))))
  if (missing.length === 0) return networkUnavailable()
  return `has no Slurm (apt-get install munge slurmctld slurmd slurm-client); missing: ${missing.join(', ')}`
}

export interface Job {
  readonly id: string
  /** File that the text's --output names. */
  readonly log: string
  /** sbatch's exit code, once the job has ended. */
  readonly ended: Promise<number | null>
}

/** Nodes are n1, n2 and so on; n1 is the network's second host. Removing the network ends everything. */
export class Slurm {
  readonly #folder: string
  readonly #namespace: string

  private constructor(folder: string, namespace: string) {
    this.#folder = folder
    this.#namespace = namespace
  }

  static async create(network: Network, folder: string, nodes: number): Promise<Slurm> {
    await mkdir(folder, { recursive: true })
    const namespace = network.namespace(CONTROLLER)
    await runFile(SCRIPT, ['up', folder, namespace.slice(0, -`-${CONTROLLER}`.length), `${nodes}`])
    return new Slurm(folder, namespace)
  }

  /** Submits a script; its output goes to `folder`. */
  async submit(script: string, folder: string): Promise<Job> {
    const [program, ...args] = inNamespace(this.#namespace, 'sbatch', ['--wait', '--parsable', script])
    const child = spawn(program, args, { cwd: folder, env: this.#env(), stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const id = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve)
      child.once('error', reject)
      child.once('close', () => reject(new Error('sbatch took no job')))
    })
    return { id, log: `${folder}/swarm-${id}.log`, ended }
  }

  async cancel(job: Job): Promise<void> {
    const [program, ...args] = inNamespace(this.#namespace, 'scancel', [job.id])
    await runFile(program, args, { env: this.#env() })
  }

  #env(): NodeJS.ProcessEnv {
    return { ...process.env, SLURM_CONF: join(this.#folder, 'slurm.conf') }
  }
}
