// A store that speaks S3 and lives in the memory of a process of its own, and how programs are told of it.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const SERVER = fileURLToPath(new URL('s3-process/server.ts', import.meta.url))

export class S3Process {
  /** For the environment of a program that uses it. */
  readonly env: Readonly<Record<string, string>>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, endpoint: string, cert: string | undefined) {
    this.#child = child
    this.env = {
      AWS_ACCESS_KEY_ID: 'bench',
      AWS_SECRET_ACCESS_KEY: 'bench',
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_EC2_METADATA_DISABLED: 'true',
      ...(cert === undefined ? {} : { NODE_EXTRA_CA_CERTS: cert }),
    }
  }

  /** Over TLS with files of a key and a certificate. */
  static async start(tls: readonly string[] = []): Promise<S3Process> {
    // Its memory is cheaper to use for the first time in huge pages, and it shares the processors with whom it serves.
    const env = { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' }
    const child = fork(SERVER, tls, { execArgv: ['--disable-warning=ExperimentalWarning'], env })
    const [{ endpoint }] = await once(child, 'message')
    return new S3Process(child, String(endpoint), tls[1])
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill()
    await ended
  }
}
