// A serving node in a process of its own, to be killed: sends its address to the parent and serves chunk 1 without end.

import { someBytes, startTestNode } from './exchange-node.ts'

const node = await startTestNode()
node.serves.set(1, someBytes(8 * 1024 * 1024, 1))
process.send?.(node.exchange.addresses()[0])
process.on('disconnect', () => process.exit())
