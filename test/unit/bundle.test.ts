// What the bundle must not hold, because every start of the program would pay for it (.ci/setup.mjs).

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const BUNDLE = fileURLToPath(new URL('../../dist/lib/cli', import.meta.url))

describe('the bundle', () => {
  const files = new Map<string, string>()

  before(async () => {
    for (const name of await readdir(BUNDLE)) files.set(name, await readFile(`${BUNDLE}/${name}`, 'utf8'))
    assert.ok(files.has('main.js'))
  })

  const without = (pattern: RegExp): void => {
    assert.deepEqual(
      [...files].filter(([, text]) => pattern.test(text)).map(([name]) => name),
      [],
    )
  }

  it('has no character that doubles the text of a file in memory', () => without(/[^\0-\x7f]/))

  it('has no WebAssembly, which would be compiled', () => without(/WebAssembly/))

  it('does not import node:http, which loads a second HTTP client', () => without(/from ?["'](node:)?https?["']/))
})
