// What bootstrap keeps in the user's cache folder.

import assert from 'node:assert/strict'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { removeUnused } from '../../src/bootstrap/own-package.ts'
import { useFolder } from '../support/cli.ts'

const DAY_MS = 24 * 60 * 60 * 1000

describe('the packed program in the cache', () => {
  const folder = useFolder()

  it('goes when nobody asked for it within a week, with what killed runs left; nothing else does', async () => {
    const now = Date.now()
    const cached = `${folder}/cache`
    await mkdir(`${cached}/packing-old/inside`, { recursive: true })
    await mkdir(`${cached}/packing-new`)
    for (const name of ['swarm-1-old.tar.gz', 'swarm-1-new.tar.gz', 'notes']) await writeFile(`${cached}/${name}`, '')
    for (const name of ['packing-old', 'swarm-1-old.tar.gz', 'notes']) {
      const before = new Date(now - 8 * DAY_MS)
      await utimes(`${cached}/${name}`, before, before)
    }
    await removeUnused(cached, now)
    assert.deepEqual((await readdir(cached)).sort(), ['notes', 'packing-new', 'swarm-1-new.tar.gz'])
  })
})
