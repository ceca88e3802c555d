import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { VERSION } from '../../src/base/version.ts'

describe('the version', () => {
  it('is that of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    assert.equal(VERSION, version)
  })
})
