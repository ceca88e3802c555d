// The program under test: one push to a real S3 server on the origin, then a join on every host. Chunks that are read come
// from the web server that the rivals read, which passes all else on to the S3 server: a bucket does not run on the
// processors of those who read it.
// Alone is the same program with the same flags; its keys may only read the bucket, so that no host is listed there and
// none finds a peer.

import { mkdirSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { Command, number, succeed } from '../../test/support/cli.ts'
import { type Rgw, type RgwKeys, rgwUnavailable, startRgw } from '../../test/support/rgw.ts'
import type { Contender, OriginService, Transfer } from './contender.ts'
import { aptCure } from './programs.ts'
import { ORIGIN, type TestBed } from './test-bed.ts'
import { serverUrl, startObjectServer } from './web-server.ts'

const SNAPSHOT = 'bench/fanout'
/** The encoded snapshot may differ from the file that the rivals get by this share. */
const ENCODING_OVERHEAD_MAX = 0.001

/** The bucket with the snapshot; made by the first who needs it. */
export class Bucket {
  readonly url: string
  readonly #rgw: Rgw
  readonly #reader: RgwKeys
  /** The folder of the objects that nginx answers with; undefined when the S3 server answers everything. */
  readonly #objects: string | undefined

  private constructor(rgw: Rgw, url: string, reader: RgwKeys, objects: string | undefined) {
    this.url = url
    this.#rgw = rgw
    this.#reader = reader
    this.#objects = objects
  }

  static async create(bed: TestBed): Promise<Bucket> {
    const namespace = bed.network.namespace(ORIGIN)
    const rgw = await startRgw({ ip: bed.address(ORIGIN), namespace })
    const name = await rgw.createBucket('bench')
    const url = `s3://${name}`
    const encoding = ['--codec', 'raw', '--chunk-size', `${bed.plan.chunkBytes}`]
    const push = (store: string) =>
      succeed(['push', bed.source, SNAPSHOT, '--store', store, ...encoding], { namespace, env: rgw.env() })
    const pushed = await push(url)
    const overhead = number(pushed, 'bytes.encoded') / bed.plan.bytes - 1
    if (Math.abs(overhead) > ENCODING_OVERHEAD_MAX) throw new Error(`swarm moves ${overhead} more than the rivals`)
    const reader = await rgw.createReader()
    if (bed.plan.isStoreBare) return new Bucket(rgw, url, reader, undefined)
    // The same objects as files; only chunks, so that all that changes is the store's to answer.
    const [copy, objects] = [`${bed.folder}/store`, `${bed.folder}/objects`]
    await push(`file://${copy}`)
    await mkdir(`${objects}/${name}`, { recursive: true })
    await rename(`${copy}/chunks`, `${objects}/${name}/chunks`)
    return new Bucket(rgw, url, reader, objects)
  }

  /** Serves the bucket until it is stopped; the S3 server itself goes on to the end of the benchmark. */
  async serve(bed: TestBed): Promise<OriginService> {
    const pids = this.#rgw.pids()
    if (this.#objects === undefined) return { pids, stop: async () => undefined }
    const server = await startObjectServer(bed, this.#objects, this.#rgw.endpoint)
    return { pids: [...pids, ...server.pids], stop: server.stop }
  }

  /** Variables with which a host reads it; `isReader`: and may not write. */
  env(bed: TestBed, isReader: boolean): Record<string, string> {
    const env = this.#rgw.env(isReader ? this.#reader : this.#rgw.owner)
    return this.#objects === undefined ? env : { ...env, AWS_ENDPOINT_URL_S3: serverUrl(bed) }
  }
}

export class SwarmJoins implements Contender {
  readonly name: string
  readonly receivers: readonly number[]
  readonly keepsTimes = true
  readonly #bed: TestBed
  readonly #bucket: () => Promise<Bucket>
  readonly #isAlone: boolean

  constructor(bed: TestBed, bucket: () => Promise<Bucket>, isAlone: boolean) {
    this.name = isAlone ? 'swarm-alone' : 'swarm'
    this.receivers = bed.hosts
    this.#bed = bed
    this.#bucket = bucket
    this.#isAlone = isAlone
  }

  unavailable(): string | undefined {
    return rgwUnavailable() ?? (this.#bed.plan.isStoreBare ? undefined : aptCure({ nginx: 'nginx-light' }))
  }

  async prepare(): Promise<void> {
    await this.#bucket()
  }

  async serve(): Promise<OriginService> {
    return (await this.#bucket()).serve(this.#bed)
  }

  async start(label: string): Promise<Transfer> {
    const bucket = await this.#bucket()
    const env = bucket.env(this.#bed, this.#isAlone)
    const { policy, originCopies } = this.#bed.plan
    const flags = ['--store', bucket.url, '--origin', policy, '--origin-copies', `${originCopies}`]
    const joins = this.receivers.map((host) => {
      const args = ['join', SNAPSHOT, this.#bed.target(host), ...flags, ...this.#trace(label, host)]
      return new Command(args, { namespace: this.#bed.network.namespace(host), env })
    })
    const startedAtMs = Date.now()
    const finished = Promise.all(joins.map((join) => join.line('ready').then(() => Date.now())))
    return { finished, end: () => this.#end(joins, finished, startedAtMs) }
  }

  #trace(label: string, host: number): string[] {
    const folder = this.#bed.plan.traceFolder
    if (folder === undefined) return []
    mkdirSync(folder, { recursive: true })
    return ['--trace', `${folder}/${label}-host-${host}.jsonl`]
  }

  /** A join ends by itself when all others are complete. */
  async #end(joins: readonly Command[], finished: Promise<unknown>, startedAtMs: number) {
    await finished.catch(() => {
      for (const join of joins) join.kill('SIGTERM')
    })
    const ends = await Promise.all(joins.map((join) => join.ended))
    for (const { code, last, stderr } of ends) {
      if (code !== 0) throw new Error(`a join ended with ${code}: ${JSON.stringify(last)} ${stderr}`)
    }
    const reports = ends.map(({ last }) => last)
    const sum = (field: string): number => reports.reduce((total, report) => total + number(report, field), 0)
    if (this.#isAlone && sum('peers') > 0) throw new Error('a host that should be alone found a peer')
    const first = Math.min(...reports.map((report) => number(report, 'firstRequestAtMs')))
    const wasted = sum('bytes.wasted')
    // From the start of the processes to the first request for a chunk by any of them.
    const startSeconds = (first - startedAtMs) / 1000
    return { startSeconds, fromStore: sum('bytes.fromStore'), fromPeers: sum('bytes.fromPeers'), wasted }
  }
}
