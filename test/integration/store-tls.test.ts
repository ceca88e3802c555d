// What is different about a bucket over TLS: bodies are not hashed for the signature.

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
const BODY = randomBytes(700_000)

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

  /** Writes and reads an object back; what the server was told of the body's hash. */
  async function signedHash(server: FaultS3): Promise<unknown> {
    const { endpoint } = server
    const credentials = { accessKeyId: 'KEYID', secretAccessKey: 'SECRET' }
    const place = { url: 's3://bucket/prefix', bucket: 'bucket', prefix: 'prefix', endpoint, region: 'us-east-1' }
    const store = new S3Store({ ...place, credentials, hasEgressCost: true, meter: new Meter() })
    try {
      await store.put(KEY, BODY)
      assertBytes(await store.get(KEY, BODY.length), BODY)
      return server.requests.find(({ method }) => method === 'PUT')?.headers['x-amz-content-sha256']
    } finally {
      await store.close()
      await server.close()
    }
  }

  it('leaves the body out of the signature', async () => {
    assert.equal(await signedHash(await FaultS3.start(tls)), 'UNSIGNED-PAYLOAD')
  })

  it('signs the body where nothing else protects it', async () => {
    assert.equal(await signedHash(await FaultS3.start()), createHash('sha256').update(BODY).digest('hex'))
  })
})
