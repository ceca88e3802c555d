// A store that is as fast as node:http can be: every key is an object of OBJECT_BYTES, served from memory, whole or a range of it.
// It asks for no signature. One process; says its port to its parent. Arguments: for TLS, files with the key and the certificate.

import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { OBJECT_BYTES } from './orders.ts'

const object = Buffer.alloc(OBJECT_BYTES)
for (let word = 0; word < OBJECT_BYTES; word += 4) object.writeUInt32LE(Math.imul(word, 0x9e3779b1) >>> 0, word)

const serve: RequestListener = (request, response) => {
  const [, from = '0', to = String(OBJECT_BYTES - 1)] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  const body = object.subarray(Number(from), Number(to) + 1)
  response.writeHead(request.headers.range === undefined ? 200 : 206, {
    'content-length': body.length,
    'content-range': `bytes ${from}-${to}/${OBJECT_BYTES}`,
    etag: '"object"',
  })
  response.end(body)
}

const [key, cert] = process.argv.slice(2).map((path) => readFileSync(path))
const server = key === undefined || cert === undefined ? createServer(serve) : createSecureServer({ key, cert }, serve)
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit())
