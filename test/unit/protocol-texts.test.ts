// The texts in protocols/ against the .proto files, the generated code and the limits in src/.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as limits from '../../src/snapshot/limits.ts'
import { parseTicket } from '../../src/snapshot/ticket.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PROTOCOLS = join(ROOT, 'protocols')
const BUF = join(ROOT, 'node_modules/.bin/buf')

/** Capitalised words in `code` that the texts use for things of the outer world. */
const FOREIGN_WORDS = new Set(['LastModified', 'Date', 'Range'])

interface ProtoNames {
  /** Messages and enums. */
  readonly types: Set<string>
  readonly values: Set<string>
  readonly fields: Set<string>
}

function protoNames(source: string): ProtoNames {
  const code = source.replace(/\/\/.*$/gm, '')
  const all = (pattern: RegExp): Set<string> => new Set([...code.matchAll(pattern)].map((match) => match[1] ?? ''))
  return {
    types: all(/\b(?:message|enum)\s+(\w+)/g),
    values: all(/^\s*([A-Z][A-Z0-9_]*)\s*=\s*\d+;/gm),
    fields: all(/^\s*(?:repeated\s+|optional\s+)?[\w.]+\s+([a-z]\w*)\s*=\s*\d+;/gm),
  }
}

/** Everything between single backquotes. */
function codeWords(text: string): Set<string> {
  return new Set([...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? ''))
}

/** Rows `| NAME | number | ...` of a text's tables of limits. */
function limitRows(text: string): [string, number][] {
  return [...text.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \| (-?\d+) \|/gm)].map(([, name, value]) => [
    name ?? '',
    Number(value),
  ])
}

function read(name: string): string {
  return readFileSync(join(PROTOCOLS, name), 'utf8')
}

function filesEnding(ending: string): string[] {
  return readdirSync(PROTOCOLS).filter((name) => name.endsWith(ending))
}

describe('protocol texts', () => {
  const protos = new Map(filesEnding('.proto').map((name) => [name, protoNames(read(name))]))
  const types = new Set([...protos.values()].flatMap((names) => [...names.types]))

  for (const name of filesEnding('.md')) {
    it(`${name} speaks of messages that the .proto files have`, () => {
      const unknown = [...codeWords(read(name))].filter((word) => {
        return /^[A-Z][a-z]+([A-Z][a-z]+)*$/.test(word) && !types.has(word) && !FOREIGN_WORDS.has(word)
      })
      assert.deepEqual(unknown, [])
    })
  }

  for (const name of ['manifest', 'ticket']) {
    it(`${name}.md explains every message and field of ${name}.proto`, () => {
      const words = codeWords(read(`${name}.md`))
      const names = protos.get(`${name}.proto`)
      assert.ok(names !== undefined && names.fields.size > 5)
      assert.deepEqual(
        [...names.types, ...names.fields].filter((word) => !words.has(word)),
        [],
      )
    })
  }

  it('have the limits of the code, each once', () => {
    const rows = [...limitRows(read('manifest.md')), ...limitRows(read('ticket.md'))]
    const { MIB, ...constants } = limits
    assert.deepEqual(
      rows.toSorted(([first], [second]) => (first < second ? -1 : 1)),
      Object.entries(constants).toSorted(([first], [second]) => (first < second ? -1 : 1)),
    )
    assert.equal(MIB, 2 ** 20)
  })

  it('name only limits that exist', () => {
    for (const name of ['manifest.md', 'ticket.md']) {
      const values = new Set([...protos.values()].flatMap((names) => [...names.values]))
      const constants = [...codeWords(read(name))].filter((word) => /^[A-Z]+(_[A-Z0-9]+)+$/.test(word))
      assert.ok(constants.length > 5)
      for (const constant of constants) assert.ok(constant in limits || values.has(constant), constant)
    }
  })

  it('show a ticket that can be read', () => {
    const example = /^ {4}(swarm1[a-z2-7]+)$/m.exec(read('ticket.md'))?.[1] ?? ''
    const { root, name, addresses, store } = parseTicket(example)
    assert.ok(read('ticket.md').includes(`\`${root}\` | the root |`))
    assert.deepEqual([name, addresses, store], ['', [], undefined])
  })

  it('link to files that exist', () => {
    const links = [...read('README.md').matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? '')
    assert.ok(links.length > 10)
    assert.deepEqual(
      links.filter((link) => !existsSync(join(PROTOCOLS, link))),
      [],
    )
  })
})

describe('generated code', () => {
  it('is what buf makes of the .proto files today', function () {
    if (!existsSync(BUF)) this.skip()
    const folder = mkdtempSync(join(tmpdir(), 'swarm-generate-'))
    try {
      const path = `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`
      execFileSync(BUF, ['generate', '--output', folder], { cwd: ROOT, env: { ...process.env, PATH: path } })
      const fresh = readdirSync(join(folder, 'src/generated')).sort()
      assert.deepEqual(readdirSync(join(ROOT, 'src/generated')).sort(), fresh)
      for (const name of fresh) {
        const made = readFileSync(join(folder, 'src/generated', name), 'utf8')
        assert.equal(readFileSync(join(ROOT, 'src/generated', name), 'utf8'), made, `run npm run generate: ${name}`)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the checks of protocol texts', () => {
  it('find names in a .proto file and not in its comments', () => {
    const names = protoNames(
      '// message Ghost {\nmessage A {\n  repeated B b_c = 1; // x\n  bytes d = 2;\n}\nenum E {\n  E_X = 0;\n}',
    )
    assert.deepEqual([...names.types], ['A', 'E'])
    assert.deepEqual([...names.fields], ['b_c', 'd'])
    assert.deepEqual([...names.values], ['E_X'])
  })

  it('find words in code and rows of limits', () => {
    assert.deepEqual([...codeWords('`Head` and Part, `a_b`')], ['Head', 'a_b'])
    assert.deepEqual(limitRows('| `A_B` | -12 | x |\n| `A_C` | many | x |\n| A_D | 1 | x |'), [['A_B', -12]])
  })
})
