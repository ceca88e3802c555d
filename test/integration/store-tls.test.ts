// What is different about a bucket over TLS: bodies are not hashed for the signature, and are written in pieces.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { Meter } from '../../src/store/meter.ts'
import { S3Store } from '../../src/store/s3-store.ts'
import { assertBytes } from '../conformance/object-store.ts'
import { type Certificate, needCertificate } from '../support/certificate.ts'
import { FaultS3 } from '../support/fault-s3.ts'

const KEY = 'chunks/ab/abcd'
const MIB = 2 ** 20
const BODY = randomBytes(3 * MIB)

describe('S3 store over TLS', () => {
  const trusted = getCACertificates()
  let directory = ''
  let tls: Certificate

  before(function () {
    directory = mkdtempSync(join(tmpdir(), 'swarm-tls-'))
    tls = needCertificate(this, directory)
    setDefaultCACertificates([...trusted, tls.cert.toString()])
  })

  after(() => {
    setDefaultCACertificates(trusted)
    rmSync(directory, { recursive: true })
  })

  /** Writes and reads an object back; the headers with which it was written. */
  async function writtenWith(server: FaultS3, body: Uint8Array): Promise<Record<string, unknown> | undefined> {
    const { endpoint } = server
    const credentials = { accessKeyId: 'KEYID', secretAccessKey: 'SECRET' }
    const place = { url: 's3://bucket/prefix', bucket: 'bucket', prefix: 'prefix', endpoint, region: 'us-east-1' }
    const store = new S3Store({ ...place, credentials, hasEgressCost: true, meter: new Meter() })
    try {
      await store.put(KEY, body)
      assertBytes(await store.get(KEY, body.length), body)
      return server.requests.find(({ method }) => method === 'PUT')?.headers
    } finally {
      await store.close()
      await server.close()
    }
  }

  it('leaves the body out of the signature', async () => {
    const headers = await writtenWith(await FaultS3.start(tls), BODY)
    assert.equal(headers?.['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD')
  })

  it('signs the body where nothing else protects it', async () => {
    const headers = await writtenWith(await FaultS3.start(), BODY)
    assert.equal(headers?.['x-amz-content-sha256'], createHash('sha256').update(BODY).digest('hex'))
  })

  for (const bytes of [0, 1, MIB, MIB + 1, 2 * MIB, 3 * MIB - 1])
    it(`sends a body of ${bytes} bytes whole, and says its length before`, async () => {
      const headers = await writtenWith(await FaultS3.start(tls), BODY.subarray(0, bytes))
      assert.equal(headers?.['content-length'], `${bytes}`)
      assert.equal(headers?.['transfer-encoding'], undefined)
    })
})
