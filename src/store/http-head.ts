// The heads of HTTP/1.1 messages, as far as a GET needs them (RFC 9112): a request written, a response read and checked.

/** A response that breaks the protocol; `code` begins as those of Node's own parser do. */
export function protocolError(what: string): Error {
  return Object.assign(new Error(`the answer is not HTTP: ${what}`), { code: 'HPE_SWARM' })
}

export interface ResponseHead {
  readonly status: number
  /** Names in lower case; the values of repeated ones are joined. */
  readonly headers: Readonly<Record<string, string>>
  /** Undefined: it is not framed by a length. */
  readonly bodyBytes: number | undefined
  /** Whether another request may follow on the connection. */
  readonly keepsAlive: boolean
}

const END = '\r\n\r\n'
/** One byte a character, and no line breaks. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Throws for a header that would be more than one line. */
export function formatGet(path: string, headers: Readonly<Record<string, string>>): Buffer {
  let text = `GET ${path} HTTP/1.1\r\n`
  for (const [name, value] of Object.entries(headers)) {
    if (!VALUE.test(value) || !TOKEN.test(name)) throw new Error(`the header ${name} cannot be sent`)
    text += `${name}: ${value}\r\n`
  }
  return Buffer.from(`${text}\r\n`, 'latin1')
}

/** Where the first head in `bytes` ends, its empty line included; undefined: not yet. */
export function headEnd(bytes: Buffer): number | undefined {
  const position = bytes.indexOf(END)
  return position < 0 ? undefined : position + END.length
}

/** Reads a whole head, its empty line included. Throws protocolError(). */
export function parseHead(bytes: Buffer): ResponseHead {
  const [first = '', ...lines] = bytes.toString('latin1', 0, bytes.length - END.length).split('\r\n')
  const start = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first)
  if (start === null) throw protocolError(`it begins with ${JSON.stringify(first.slice(0, 40))}`)
  const status = Number(start[2])
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    if (!TOKEN.test(name)) throw protocolError(`the header ${JSON.stringify(line.slice(0, 40))}`)
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  const connection = (headers['connection'] ?? '').toLowerCase()
  const keepsAlive = start[1] === '1' && !connection.split(/[ ,]+/).includes('close')
  return { status, headers, bodyBytes: bodyBytesOf(status, headers), keepsAlive }
}

function bodyBytesOf(status: number, headers: Readonly<Record<string, string>>): number | undefined {
  if (status < 200 || status === 204 || status === 304) return 0
  if (headers['transfer-encoding'] !== undefined) return undefined
  const length = headers['content-length']
  if (length === undefined) return undefined
  // The same length twice is one length; two different ones are an attack or a mistake.
  const [only = '', ...others] = new Set(length.split(/ *, */))
  if (others.length > 0 || !/^\d{1,15}$/.test(only)) throw protocolError(`a length of ${JSON.stringify(length)}`)
  return Number(only)
}
