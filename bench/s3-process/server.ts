// A store in memory that speaks S3, for one run: a process of its own, so that what it needs is not the node's. Says where it is.

import { FaultS3 } from '../../test/support/fault-s3.ts'

const server = await FaultS3.start()
process.send?.({ endpoint: server.endpoint })
process.on('disconnect', () => process.exit())
