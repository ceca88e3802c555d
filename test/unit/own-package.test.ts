// What bootstrap keeps in the user's cache folder.

import assert from 'node:assert/strict'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { removeUnused } from '../../src/bootstrap/own-package.ts'
import { useFolder } from '../support/cli.ts'

const OLD = 'swarm-0.1.0-linux-x64-0123456789abcdef.tar.gz'
const NEW = 'swarm-0.1.0-linux-x64-fedcba9876543210.tar.gz'
const DAY_MS = 24 * 60 * 60 * 1000

describe('the packed program in the cache', () => {
  const folder = useFolder()

  it('goes when nobody asked for it within a week, with what killed runs left; nothing else does', async () => {
    const now = Date.now()
    const cached = `${folder}/cache`
    await mkdir(`${cached}/packing-abcXYZ/inside`, { recursive: true })
    for (const name of ['packing-123456', 'packing-lists']) await mkdir(`${cached}/${name}`)
    for (const name of [OLD, NEW, 'notes', 'swarm-sources.tar.gz']) await writeFile(`${cached}/${name}`, '')
    for (const name of ['packing-abcXYZ', OLD, 'notes', 'swarm-sources.tar.gz', 'packing-lists']) {
      const before = new Date(now - 8 * DAY_MS)
      await utimes(`${cached}/${name}`, before, before)
    }
    await removeUnused(cached, now)
    assert.deepEqual((await readdir(cached)).sort(), [
      'notes',
      'packing-123456',
      'packing-lists',
      NEW,
      'swarm-sources.tar.gz',
    ])
  })
})
