// Loading the native addon, what it exports, and the bound of its queue. FAULTS row G11.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { CHUNK_RAW_BYTES_MAX } from '../../src/codec/codec.ts'
import { loadAddon } from '../../src/codec/load-addon.ts'

describe('loadAddon', () => {
  it('says how to build the addon when it is missing', () => {
    assert.throws(() => loadAddon(['./nowhere.node']), { code: 'internal', cure: /npm run build/ })
  })

  it('refuses a file that is no addon and one of another version', () => {
    assert.throws(() => loadAddon(['../../package.json']), { code: 'internal', message: /interface version undefined/ })
    assert.throws(() => loadAddon(['../../LICENSE']), { code: 'internal', message: /loading the native codec/ })
  })

  it('accepts no more jobs than its queue holds, and finishes those that it accepted', async () => {
    const addon = loadAddon()
    const pool = new addon.CodecPool(1, 2, 'scalar')
    const raw = new Uint8Array(CHUNK_RAW_BYTES_MAX)
    const out = new Uint8Array(raw.length + addon.headerBytes)
    const jobs = Array.from({ length: 20 }, () => pool.encode(new Float64Array(0), raw, out, 1, 0, 0, false))
    const accepted = jobs.filter((job) => job !== undefined)
    assert.ok(accepted.length >= 2 && accepted.length < jobs.length)
    for (const result of await Promise.all(accepted)) assert.equal(addon.statusNames[result.status], 'ok')
    pool.close()
    assert.equal(pool.threads(), 0)
    assert.equal(pool.encode(new Float64Array(0), raw, out, 1, 0, 0, false), undefined)
  })

  it('agrees with the TypeScript side on the largest chunk', () => {
    assert.equal(loadAddon().rawBytesMax, CHUNK_RAW_BYTES_MAX)
  })

  it('exports exactly what the TypeScript view of it names', () => {
    const source = readFileSync(new URL('../../src/codec/load-addon.ts', import.meta.url), 'utf8')
    const view = source.slice(source.indexOf('export interface Addon {'), source.indexOf('/** Loads the addon'))
    const named = [...view.matchAll(/^ {2}(?:readonly )?(\w+)[:(]/gm)].map((match) => match[1])
    assert.deepEqual(Object.keys(loadAddon()).sort(), named.sort())
  })
})
