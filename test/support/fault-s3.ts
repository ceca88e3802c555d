// An S3 server that misbehaves on demand. It holds objects in memory, checks no signatures, and knows just enough of
// path-style S3 for our client. It proves how we take faults; that S3 works at all is proven against a real server.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Certificate } from './certificate.ts'

/** One way to answer wrongly. */
export type Fault =
  /** Sends headers and `afterBytes` of the body, then nothing, with the connection left open. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** The same, but closes the connection. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Changes one bit of the body. */
  | { readonly kind: 'flip'; readonly atByte: number }
  /** Answers 200 with the whole object. */
  | { readonly kind: 'ignoreRange' }
  /** Answers 206 with a range that starts later by `byBytes`. */
  | { readonly kind: 'shiftRange'; readonly byBytes: number }
  /** Leaves the length out and sends more than the range. */
  | { readonly kind: 'surplus'; readonly bytes: number }
  /** Claims that the body is encoded. */
  | { readonly kind: 'encoded'; readonly as: string }
  | {
      readonly kind: 'status'
      readonly status: number
      readonly code: string
      readonly headers?: Readonly<Record<string, string>>
    }
  /** Stores the object and closes the connection instead of answering. */
  | { readonly kind: 'cutAfterStore' }
  /** Runs before the answer, which is then the right one. */
  | { readonly kind: 'before'; readonly run: (server: FaultS3) => void }
  /** Answers a listing with the same page and token again and again. */
  | { readonly kind: 'repeatPage' }

export interface SeenRequest {
  readonly method: string
  readonly key: string
  readonly headers: IncomingMessage['headers']
  readonly query: URLSearchParams
}

type Decide = (request: SeenRequest) => Fault | undefined

export class FaultS3 {
  readonly objects = new Map<string, Buffer>()
  /** In order of arrival. */
  readonly requests: SeenRequest[] = []
  /** Connections opened so far. */
  connections = 0
  /** Payload bytes handed to the kernel so far. */
  sentBytes = 0
  /** Added to the Date header. */
  clockOffsetMs = 0
  readonly #scheme: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #decide: Decide = () => undefined

  private constructor(tls: Certificate | undefined) {
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response)
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.#server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer)
    this.#server.on('connection', (socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** Over TLS with a key and a certificate. */
  static async start(tls?: Certificate): Promise<FaultS3> {
    const server = new FaultS3(tls)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get endpoint(): string {
    const address = this.#server.address()
    return `${this.#scheme}://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  }

  /** Every following request is shown to `decide`; it names the fault, or undefined for a right answer. */
  misbehave(decide: Decide): void {
    this.#decide = decide
  }

  /** The next requests with `method` get these faults, one each, in order. */
  failNext(method: string, ...faults: readonly Fault[]): void {
    const rest = [...faults]
    this.misbehave((request) => (request.method === method ? rest.shift() : undefined))
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://host')
    const [, , ...components] = url.pathname.split('/')
    const key = decodeURIComponent(components.join('/'))
    const seen = { method: request.method ?? '', key, headers: request.headers, query: url.searchParams }
    this.requests.push(seen)
    const fault = this.#decide(seen)
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    response.setHeader('date', new Date(Date.now() + this.clockOffsetMs).toUTCString())
    if (fault?.kind === 'before') fault.run(this)
    if (fault?.kind === 'status') return this.#refuse(response, fault.status, fault.code, fault.headers)
    if (seen.method === 'PUT') return this.#put(seen, Buffer.concat(pieces), response, fault)
    if (seen.method === 'DELETE') {
      this.objects.delete(key)
      response.writeHead(204).end()
    } else if (url.searchParams.has('list-type')) {
      this.#list(url.searchParams, response, fault)
    } else {
      this.#get(seen, response, fault)
    }
  }

  #put({ key, headers }: SeenRequest, body: Buffer, response: ServerResponse, fault: Fault | undefined): void {
    if (headers['if-none-match'] === '*' && this.objects.has(key)) {
      this.#refuse(response, 412, 'PreconditionFailed')
      return
    }
    this.objects.set(key, body)
    if (fault?.kind === 'cutAfterStore') response.socket?.destroy()
    else response.writeHead(200, { etag: '"0"' }).end()
  }

  #get(seen: SeenRequest, response: ServerResponse, fault: Fault | undefined): void {
    const object = this.objects.get(seen.key)
    const range = fault?.kind === 'ignoreRange' ? null : /^bytes=(\d+)-(\d+)$/.exec(seen.headers.range ?? '')
    if (object === undefined) this.#refuse(response, 404, 'NoSuchKey')
    else if (Number(range?.[1]) >= object.length) this.#refuse(response, 416, 'InvalidRange')
    else this.#sendObject(seen.method, object, range, response, fault)
  }

  #sendObject(
    method: string,
    object: Buffer,
    range: RegExpExecArray | null,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const shift = fault?.kind === 'shiftRange' ? fault.byBytes : 0
    const first = range === null ? 0 : Number(range[1]) + shift
    const end = range === null ? object.length : Math.min(object.length, Number(range[2]) + 1 + shift)
    const body = Buffer.from(object.subarray(first, end))
    if (fault?.kind === 'flip') body[fault.atByte] = (body[fault.atByte] ?? 0) ^ 1
    response.writeHead(range === null ? 200 : 206, {
      ...(fault?.kind === 'surplus' ? {} : { 'content-length': body.length }),
      'last-modified': new Date().toUTCString(),
      ...(range === null ? {} : { 'content-range': `bytes ${first}-${end - 1}/${object.length}` }),
      ...(fault?.kind === 'encoded' ? { 'content-encoding': fault.as } : {}),
    })
    if (method === 'HEAD') response.end()
    else if (fault?.kind === 'stall' || fault?.kind === 'cut') {
      response.write(body.subarray(0, fault.afterBytes), () => {
        if (fault.kind === 'cut') response.socket?.destroy()
      })
    } else if (fault?.kind === 'surplus') response.end(Buffer.concat([body, Buffer.alloc(fault.bytes)]))
    else this.#send(body, response)
  }

  /** In pieces, so that `sentBytes` follows what the other side takes. */
  #send(body: Buffer, response: ServerResponse): void {
    const pieceBytes = 16 * 1024
    const next = (start: number) => {
      if (start >= body.length) {
        response.end()
        return
      }
      const piece = body.subarray(start, start + pieceBytes)
      response.write(piece, (error) => {
        if (error) return
        this.sentBytes += piece.length
        next(start + piece.length)
      })
    }
    next(0)
  }

  #list(query: URLSearchParams, response: ServerResponse, fault: Fault | undefined): void {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('start-after') ?? ''
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const delimiter = query.get('delimiter')
    const folders = delimiter === null ? [] : keys.map((key) => folderOf(key, prefix)).filter((name) => name !== '')
    const files = delimiter === null ? keys : keys.filter((key) => folderOf(key, prefix) === '')
    const more = fault?.kind === 'repeatPage'
    const xml = [
      `<ListBucketResult><IsTruncated>${more}</IsTruncated>`,
      ...(more ? ['<NextContinuationToken>again</NextContinuationToken>'] : []),
      ...files.map((key) => `<Contents><Key>${key}</Key><Size>${this.objects.get(key)?.length}</Size></Contents>`),
      ...[...new Set(folders)].map((name) => `<CommonPrefixes><Prefix>${name}</Prefix></CommonPrefixes>`),
      '</ListBucketResult>',
    ].join('')
    response.writeHead(200, { 'content-type': 'application/xml' }).end(xml)
  }

  #refuse(
    response: ServerResponse,
    status: number,
    code: string,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    const xml = `<Error><Code>${code}</Code><Message>${code} on purpose</Message></Error>`
    response.writeHead(status, { 'content-type': 'application/xml', 'content-length': xml.length, ...headers }).end(xml)
  }
}

function folderOf(key: string, prefix: string): string {
  const slash = key.indexOf('/', prefix.length)
  return slash === -1 ? '' : key.slice(0, slash + 1)
}
