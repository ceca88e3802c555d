// A real, independent S3 server for tests: Ceph's RADOS gateway, started once per mocha process and shared.
// Where it is not installed the tests are skipped, and say so; with SWARM_TEST_REQUIRE=rgw that is a failure.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { inNamespace } from './netns.ts'
import { needPart } from './prerequisites.ts'

const runFile = promisify(execFile)
const SCRIPT = join(import.meta.dirname, 'rgw-up.sh')
const PROGRAMS = ['radosgw', 'radosgw-admin', 'ceph', 'ceph-mon', 'ceph-osd', 'ceph-authtool', 'monmaptool']
/** Starting takes about 15 s on an idle machine. */
export const RGW_START_TIMEOUT_MS = 120_000
const STOP_WAIT_MS = 50
const REGION = 'us-east-1'

export interface RgwKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface RgwOptions {
  /** Address to listen on; default 127.0.0.1. It must exist in `namespace` when that is given. */
  readonly ip?: string
  /** Default a free one. */
  readonly port?: number
  /** Network namespace to run in (`ip netns`). Buckets are then made from inside it as well. */
  readonly namespace?: string
}

export class Rgw {
  readonly endpoint: string
  readonly region = REGION
  /** Keys of the user who owns every bucket. */
  readonly owner: RgwKeys
  readonly #directory: string
  readonly #namespace: string | undefined
  #readers = 0

  constructor(endpoint: string, owner: RgwKeys, directory: string, namespace: string | undefined) {
    this.endpoint = endpoint
    this.owner = owner
    this.#directory = directory
    this.#namespace = namespace
  }

  /** Variables with which the program under test uses this server; `keys` default to the owner's. */
  env(keys: RgwKeys = this.owner): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_S3: this.endpoint,
      AWS_REGION: this.region,
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    }
  }

  /** Makes a bucket with a name of its own and returns the name. */
  async createBucket(start = 'test'): Promise<string> {
    const bucket = `${start}-${randomBytes(6).toString('hex')}`
    if (this.#namespace !== undefined) {
      // This process cannot reach the server there; a child in the namespace can.
      await this.#inNamespace(process.execPath, [import.meta.filename, 'create-bucket', this.endpoint, bucket], {
        ...process.env,
        ...this.env(),
      })
      return bucket
    }
    await createBucketAt(this.endpoint, this.owner, bucket)
    return bucket
  }

  /** Keys that may list and read every bucket and write to none. */
  async createReader(): Promise<RgwKeys> {
    const keys = newKeys('READER')
    const name = `owner:reader${this.#readers++}`
    await this.#admin('subuser', 'create', '--uid=owner', `--subuser=${name}`, '--access=read', '--key-type=s3', keys)
    return keys
  }

  pids(): number[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith('.pid'))
      .map((name) => Number(readFileSync(join(this.#directory, name), 'utf8')))
  }

  /** Ends the server's processes, found by their pid files, and removes what it wrote. Safe to call twice. */
  stop(): void {
    if (!existsSync(this.#directory)) return
    for (const pid of this.pids()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Already gone.
      }
    }
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: STOP_WAIT_MS })
  }

  async #admin(...args: (string | RgwKeys)[]): Promise<void> {
    const flat = args.flatMap((arg) =>
      typeof arg === 'string' ? [arg] : [`--access-key=${arg.accessKeyId}`, `--secret-key=${arg.secretAccessKey}`],
    )
    const env = { ...process.env, CEPH_CONF: join(this.#directory, 'ceph.conf') }
    await this.#inNamespace('radosgw-admin', ['-n', 'client.rgw', ...flat], env)
  }

  async #inNamespace(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
    const [command, ...rest] = inNamespace(this.#namespace, program, args)
    await runFile(command, rest, { env })
  }
}

/** Starts a server of its own; the caller stops it, and the end of the process does so at the latest. */
export async function startRgw(options: RgwOptions = {}): Promise<Rgw> {
  const directory = mkdtempSync(join(tmpdir(), 'swarm-rgw-'))
  const { ip = '127.0.0.1' } = options
  const [freePort, mon2, mon1] = await freePorts(3)
  const port = options.port ?? freePort
  const owner = newKeys('OWNER')
  const rgw = new Rgw(`http://${ip}:${port}`, owner, directory, options.namespace)
  process.once('exit', () => rgw.stop())
  const args = [directory, ip, `${port}`, `${mon2}`, `${mon1}`, owner.accessKeyId, owner.secretAccessKey]
  const [command, ...rest] = inNamespace(options.namespace, SCRIPT, args)
  try {
    await runFile(command, rest, { timeout: RGW_START_TIMEOUT_MS })
  } catch (error) {
    rgw.stop()
    throw error
  }
  return rgw
}

/** Why there can be no server here, or undefined when there can. */
export function rgwUnavailable(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs radosgw, and root to start it'
  const path = (process.env['PATH'] ?? '').split(':')
  const missing = PROGRAMS.filter((program) => !path.some((folder) => existsSync(join(folder, program))))
  if (missing.length === 0) return undefined
  return `needs radosgw (apt-get install radosgw ceph-mon ceph-osd ceph-common); missing: ${missing.join(', ')}`
}

let shared: Promise<Rgw> | undefined

/**
 * The server that all tests of this process share, started by the first. Call it in a `before` hook with the hook's
 * context: the tests are skipped, with a sentence that says why, where the server is not installed.
 */
export async function sharedRgw(context: Mocha.Context): Promise<Rgw> {
  needPart(context, 'rgw', rgwUnavailable())
  context.timeout(RGW_START_TIMEOUT_MS)
  shared ??= startRgw()
  return shared
}

function newKeys(start: string): RgwKeys {
  return {
    accessKeyId: `${start}${randomBytes(6).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(20).toString('hex'),
  }
}

async function createBucketAt(endpoint: string, credentials: RgwKeys, bucket: string): Promise<void> {
  const client = new S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  return servers.map((server) => {
    const address = server.address()
    server.close()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
}

if (import.meta.main) {
  const [action, endpoint = '', bucket = ''] = process.argv.slice(2)
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = process.env
  if (action === 'create-bucket') await createBucketAt(endpoint, { accessKeyId, secretAccessKey }, bucket)
}
