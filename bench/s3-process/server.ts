// A store in memory that speaks S3, for one run: a process of its own, so that what it needs is not the node's. Says where it is.
// Arguments: for TLS, files with the key and the certificate.

import { readFileSync } from 'node:fs'
import { FaultS3 } from '../../test/support/fault-s3.ts'

const [key, cert] = process.argv.slice(2).map((path) => readFileSync(path))
const server = await FaultS3.start(key === undefined || cert === undefined ? undefined : { key, cert })
process.send?.({ endpoint: server.endpoint })
process.on('disconnect', () => process.exit())
