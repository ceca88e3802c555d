// The import rules of this project, on the real source and, to show that each can fail, on small examples.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkLayers } from './support/layer-rules.ts'
import { scanSource } from './support/source-scan.ts'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const PACKAGES = new Set(['@napi-rs/blake-hash', '@bufbuild/protobuf', 'multiformats', 'libp2p', '@aws-sdk/client-s3'])

/** Problems of a made-up tree whose every file is in use. */
function problemsOf(files: Readonly<Record<string, string>>): string[] {
  const tree = new Map(Object.entries(files))
  const useAll = (isUser: (path: string) => boolean, up: string): string =>
    Object.keys(files)
      .filter(isUser)
      .map((path) => `import '${up}${path}'`)
      .join('\n')
  if (!tree.has('index.ts'))
    tree.set(
      'index.ts',
      useAll((path) => !path.startsWith('cli/'), './'),
    )
  if (!tree.has('cli/main.ts'))
    tree.set(
      'cli/main.ts',
      useAll((path) => path.startsWith('cli/'), '../'),
    )
  return checkLayers(tree, PACKAGES)
}

function assertProblem(files: Readonly<Record<string, string>>, expected: RegExp): void {
  const problems = problemsOf(files)
  assert.equal(problems.length, 1, problems.join('\n'))
  assert.match(problems[0] ?? '', expected)
}

describe('the layers of src/', () => {
  it('keep to every rule', () => {
    const folder = join(ROOT, 'src')
    const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
    const tree = new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]))
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    assert.ok(tree.size > 10)
    assert.deepEqual(checkLayers(tree, new Set(Object.keys(dependencies))), [])
  })
})

describe('the layer rules', () => {
  it('accept what is allowed', () => {
    const files = {
      'base/a.ts': "import { blake3 } from '@napi-rs/blake-hash'",
      'generated/g.ts': "import { x } from '@bufbuild/protobuf/codegenv2'",
      'snapshot/s.ts':
        "import { a } from '../base/a.ts'\nimport '../generated/g.ts'\nimport { b } from 'multiformats/bases/base32'",
      'swarm/events.ts': "import '../base/a.ts'",
      'codec/codec.ts': "import { createRequire } from 'node:module'\ncreateRequire('x')('./x.node')",
      'store/t.ts': "import { S3 } from '@aws-sdk/client-s3'",
      'exchange/e.ts': "import 'libp2p'\nimport '../generated/g.ts'",
      'restore/r.ts':
        "import '../codec/codec.ts'\nimport type { S } from '../snapshot/s.ts'\nimport { readFile } from 'node:fs'",
      'telemetry/t.ts': "import type { E } from '../swarm/events.ts'",
      'node/n.ts': "import '../restore/r.ts'\nimport '../store/t.ts'\nawait new Promise(setTimeout)",
      'cli/main.ts': "import '../node/n.ts'\nimport '../telemetry/t.ts'",
    }
    assert.deepEqual(problemsOf(files), [])
  })

  for (const [from, target] of [
    ['base/x.ts', 'snapshot/y.ts'],
    ['generated/x.ts', 'base/y.ts'],
    ['snapshot/x.ts', 'swarm/y.ts'],
    ['snapshot/x.ts', 'codec/y.ts'],
    ['swarm/x.ts', 'snapshot/y.ts'],
    ['swarm/x.ts', 'generated/y.ts'],
    ['codec/x.ts', 'snapshot/y.ts'],
    ['store/x.ts', 'snapshot/y.ts'],
    ['store/x.ts', 'codec/y.ts'],
    ['exchange/x.ts', 'discovery/y.ts'],
    ['exchange/x.ts', 'swarm/y.ts'],
    ['discovery/x.ts', 'store/y.ts'],
    ['restore/x.ts', 'codec/y.ts'],
    ['restore/x.ts', 'store/y.ts'],
    ['telemetry/x.ts', 'swarm/y.ts'],
    ['node/x.ts', 'cli/y.ts'],
    ['cli/x.ts', 'store/y.ts'],
    ['cli/x.ts', 'snapshot/y.ts'],
  ] as const) {
    it(`refuse that ${from} imports ${target}`, () => {
      assertProblem({ [from]: `import { y } from '../${target}'`, [target]: '' }, /may not import/)
    })
  }

  it('refuse an edge however it is written', () => {
    for (const statement of [
      "import '../node/y.ts'",
      "import type { Y } from '../node/y.ts'",
      "import { type Y, type Z } from '../node/y.ts'",
      "import Y, * as z from '../node/y.ts'",
      'import {\n  a,\n  b, // c\n} from "../node/y.ts"',
      "export { y } from '../node/y.ts'",
      "export * from '../node/y.ts'",
      "export type { Y } from '../node/y.ts'",
      "const y = import('../node/y.ts')",
      "let y: import('../node/y.ts').Y",
      "type Y = typeof import('../node/y.ts')",
      `const text = \`\${import("../node/y.ts")}\``,
    ]) {
      assertProblem({ 'store/x.ts': statement, 'node/y.ts': '' }, /store\/x.ts may not import node\/y.ts/)
    }
  })

  it('do not take comments and strings for imports', () => {
    for (const text of [
      "// import '../node/y.ts'",
      "/* import '../node/y.ts' */",
      'const a = "import \'../node/y.ts\'"',
      "const a = `import '../node/y.ts'`",
      "const a = /import '..\\/node\\/y.ts'/",
    ]) {
      assert.deepEqual(problemsOf({ 'store/x.ts': text, 'node/y.ts': '' }), [], text)
    }
  })

  it('let telemetry see the types of swarm/events.ts and nothing else of it', () => {
    const events = { 'swarm/events.ts': '' }
    assert.deepEqual(problemsOf({ ...events, 'telemetry/x.ts': "import { type E } from '../swarm/events.ts'" }), [])
    assertProblem({ ...events, 'telemetry/x.ts': "import { type E, f } from '../swarm/events.ts'" }, /may not import/)
    assertProblem({ ...events, 'telemetry/x.ts': "import '../swarm/events.ts'" }, /may not import/)
  })

  it('refuse cycles, also of types', () => {
    assertProblem({ 'base/a.ts': "import './b.ts'", 'base/b.ts': "import type { A } from './a.ts'" }, /^cycle: .*a\.ts/)
    assertProblem(
      { 'base/a.ts': "import './b.ts'", 'base/b.ts': "import './c.ts'", 'base/c.ts': "import './a.ts'" },
      /^cycle/,
    )
    assertProblem({ 'base/a.ts': "import './a.ts'" }, /^cycle: base\/a.ts -> base\/a.ts/)
  })

  it('refuse clocks, chance, promises, timers and the process in pure folders', () => {
    for (const code of [
      'Date.now()',
      'new Date()',
      'performance.now()',
      'Math.random()',
      'const { random } = Math\nMath .random()',
      'setTimeout(f, 1)',
      'setInterval(f, 1)',
      'setImmediate(f)',
      'queueMicrotask(f)',
      'process.exit()',
      'console.log()',
      'async () => 1',
      'let p: Promise<void>',
      'fetch(u)',
      `const t = \`\${Date.now()}\``,
      'crypto.getRandomValues(x)',
      'globalThis.x',
    ]) {
      for (const folder of ['base', 'snapshot', 'swarm', 'generated']) {
        assertProblem({ [`${folder}/x.ts`]: code }, /in a pure folder/)
      }
      assert.deepEqual(problemsOf({ 'store/x.ts': code }), [])
    }
    assertProblem({ 'base/x.ts': "import { readFileSync } from 'node:fs'" }, /imports node:fs in a pure folder/)
    assertProblem({ 'base/x.ts': "import type { Hash } from 'node:crypto'" }, /imports node:crypto/)
  })

  it('do not take comments, strings, properties and longer names for banned ones', () => {
    const code =
      "// Date\nconst s = 'Promise'\nx.process()\nlet update, processed, dateMs\n/* await */\nconst r = /[/]Date/"
    assert.deepEqual(problemsOf({ 'base/x.ts': code }), [])
  })

  it('refuse packages outside the folders that own them', () => {
    for (const [path, name] of [
      ['store/x.ts', 'libp2p'],
      ['node/x.ts', 'libp2p'],
      ['node/x.ts', '@aws-sdk/client-s3'],
      ['exchange/x.ts', '@aws-sdk/client-s3'],
      ['store/x.ts', '@bufbuild/protobuf/wire'],
      ['swarm/x.ts', 'multiformats'],
      ['base/x.ts', 'multiformats/cid'],
      ['snapshot/x.ts', '@napi-rs/blake-hash'],
      ['node/x.ts', '@napi-rs/blake-hash'],
    ] as const) {
      assertProblem({ [path]: `import { y } from '${name}'` }, /may not use/)
    }
  })

  it('refuse packages that are not installed with the program', () => {
    assertProblem({ 'node/x.ts': "import fc from 'fast-check'" }, /fast-check, which is not among the dependencies/)
    assertProblem({ 'node/x.ts': "import { x } from '@other/thing/deep'" }, /@other\/thing, which is not/)
  })

  it('refuse native code outside codec', () => {
    assertProblem({ 'node/x.ts': "const addon = './build/swarm.node'" }, /native code/)
    assertProblem({ 'store/x.ts': 'process.dlopen(m, path)' }, /native code/)
  })

  it('refuse long files, except generated ones', () => {
    const line = 'x\n'
    assertProblem({ 'base/x.ts': line.repeat(401) }, /401 lines/)
    assert.deepEqual(problemsOf({ 'base/x.ts': line.repeat(400), 'generated/x.ts': line.repeat(900) }), [])
  })

  it('refuse files that nothing imports, folders without rules, and imports of nothing', () => {
    assertProblem({ 'base/x.ts': '', 'index.ts': '' }, /base\/x.ts is reached from no entry point/)
    const island = { 'base/x.ts': "import './y.ts'", 'base/y.ts': '', 'index.ts': '' }
    assert.equal(problemsOf(island).length, 2)
    const stray = problemsOf({ 'utils/x.ts': '' })
    assert.ok(stray.includes('utils/x.ts lies in a folder without rules'), stray.join('\n'))
    assertProblem({ 'base/x.ts': "import './gone.ts'" }, /no file of src/)
    assertProblem(
      { 'index.ts': '', 'node/x.ts': "import '../index.ts'", 'cli/main.ts': "import '../node/x.ts'" },
      /the index/,
    )
  })
})

describe('the scanner', () => {
  it('tells regular expressions from divisions', () => {
    assert.equal(scanSource('const a = b / c; const d = e / Date').code, 'const a = b / c; const d = e / Date')
    assert.equal(scanSource("f(/'/, x) + 'Date'").code.includes('Date'), false)
  })

  it('finds code inside template literals, nested ones too', () => {
    const { code } = scanSource(`const a = \`x \${f({ b: \`y \${Date}\` })} Promise\``)
    assert.ok(code.includes('Date') && !code.includes('Promise') && !code.includes('y '))
  })

  it('sees workers that are started from a file', () => {
    const { imports } = scanSource("new Worker(new URL('./worker.ts', import.meta.url))")
    assert.deepEqual(imports, [{ specifier: './worker.ts', isType: false }])
  })
})
