// Which folder of src/ may import what, and the checks that hold it to that. Works on any map from path to source, so that
// a test can show each rule failing on a small example.

import { type ImportEdge, type ScannedSource, scanSource } from './source-scan.ts'

/** Paths relative to src/, with their text. */
export type SourceTree = ReadonlyMap<string, string>

const FOLDERS = [
  'base',
  'generated',
  'snapshot',
  'swarm',
  'codec',
  'store',
  'exchange',
  'discovery',
  'restore',
  'telemetry',
  'bootstrap',
]

/** Folders, or single files, that each folder may import. `types:` allows only what is erased at run time. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  base: [],
  generated: [],
  snapshot: ['base', 'generated'],
  swarm: ['base'],
  codec: ['base'],
  store: ['base'],
  exchange: ['base', 'generated'],
  discovery: ['base', 'generated'],
  restore: ['base', 'snapshot', 'codec/codec.ts'],
  telemetry: ['base', 'types:swarm/events.ts'],
  bootstrap: ['base'],
  node: FOLDERS,
  cli: ['node', 'telemetry', 'bootstrap', 'base'],
  '': [...FOLDERS, 'node'],
}

const PURE = new Set(['base', 'generated', 'snapshot', 'swarm'])

/** Third-party packages that pure folders may use at all. */
const PURE_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  base: ['@napi-rs/blake-hash'],
  generated: ['@bufbuild/protobuf'],
  snapshot: ['@bufbuild/protobuf', 'multiformats'],
  swarm: [],
}

/** Packages, by pattern, that belong to some folders only. */
const OWNED_PACKAGES: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^(libp2p|@libp2p\/.*|@chainsafe\/.*|@multiformats\/.*|it-.*|uint8arraylist)$/, ['exchange', 'discovery']],
  [/^(@aws-sdk|@smithy)\//, ['store']],
  [/^@bufbuild\//, ['generated', 'snapshot', 'exchange', 'discovery']],
  [/^@napi-rs\/blake-hash$/, ['base']],
  [/^commander$/, ['cli']],
]

const PURE_BANNED =
  /(?<![.\w$])(Date|performance|setTimeout|setInterval|setImmediate|clearTimeout|clearInterval|queueMicrotask|process|console|async|await|Promise|fetch|crypto|AbortController|AbortSignal|globalThis)(?![\w$])|\bMath\s*\.\s*random\b/g

const LINES_MAX = 400
const ENTRY_POINTS = new Set(['cli/main.ts', 'index.ts'])

/** Every broken rule, one line each. `dependencies` are the names in package.json. */
export function checkLayers(tree: SourceTree, dependencies: ReadonlySet<string>): string[] {
  const scanned = new Map([...tree].map(([path, text]) => [path, scanSource(text)] as const))
  const problems: string[] = []
  for (const [path, source] of scanned) {
    for (const edge of source.imports) problems.push(...checkImport(path, edge, scanned, dependencies))
    problems.push(...checkText(path, source))
  }
  return [...problems, ...findCycles(scanned), ...findDeadFiles(scanned)]
}

function checkImport(
  path: string,
  edge: ImportEdge,
  tree: ReadonlyMap<string, ScannedSource>,
  dependencies: ReadonlySet<string>,
): string[] {
  const { specifier } = edge
  const folder = folderOf(path)
  if (specifier.startsWith('node:')) return PURE.has(folder) ? [`${path} imports ${specifier} in a pure folder`] : []
  if (!specifier.startsWith('.')) return checkPackage(path, specifier, dependencies)
  const target = resolve(path, specifier)
  if (!tree.has(target)) return [`${path} imports ${specifier}, which is no file of src`]
  if (target === 'index.ts') return [`${path} imports the index`]
  return mayImport(folder, target, edge.isType) ? [] : [`${path} may not import ${target}`]
}

function mayImport(folder: string, target: string, isType: boolean): boolean {
  const allowed = ALLOWED[folder]
  if (allowed === undefined) return false
  const owner = folderOf(target)
  if (owner === folder || allowed.includes(owner) || allowed.includes(target)) return true
  return isType && allowed.includes(`types:${target}`)
}

function checkPackage(path: string, specifier: string, dependencies: ReadonlySet<string>): string[] {
  const folder = folderOf(path)
  const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier
  const problems = dependencies.has(name) ? [] : [`${path} uses ${name}, which is not among the dependencies`]
  const isForeign = OWNED_PACKAGES.some(([pattern, owners]) => pattern.test(name) && !owners.includes(folder))
  const isImpure = PURE.has(folder) && !PURE_PACKAGES[folder]?.includes(name)
  return isForeign || isImpure ? [...problems, `${path} may not use ${name}`] : problems
}

function checkText(path: string, source: ScannedSource): string[] {
  const folder = folderOf(path)
  const problems: string[] = []
  if (ALLOWED[folder] === undefined) problems.push(`${path} lies in a folder without rules`)
  if (PURE.has(folder)) {
    const names = new Set([...source.code.matchAll(PURE_BANNED)].map((match) => match[0]))
    for (const name of names) problems.push(`${path} uses ${name} in a pure folder`)
  }
  const loadsAddon =
    /\b(dlopen|createRequire)\b/.test(source.code) || source.strings.some((text) => /\.node$/.test(text))
  if (folder !== 'codec' && loadsAddon) problems.push(`${path} loads native code outside codec`)
  if (folder !== 'generated' && source.lineCount > LINES_MAX) {
    problems.push(`${path} has ${source.lineCount} lines, more than ${LINES_MAX}`)
  }
  return problems
}

/** One line for each group of files that import each other in a circle, types included. */
function findCycles(tree: ReadonlyMap<string, ScannedSource>): string[] {
  const state = new Map<string, 'open' | 'done'>()
  const problems: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      problems.push(`cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`)
      return
    }
    state.set(path, 'open')
    for (const target of targetsOf(path, tree)) visit(target, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of tree.keys()) visit(path, [])
  return problems
}

/** Files that nothing reaches from an entry point. */
function findDeadFiles(tree: ReadonlyMap<string, ScannedSource>): string[] {
  const reached = new Set(ENTRY_POINTS)
  for (const path of reached) for (const target of targetsOf(path, tree)) reached.add(target)
  return [...tree.keys()].filter((path) => !reached.has(path)).map((path) => `${path} is reached from no entry point`)
}

function targetsOf(path: string, tree: ReadonlyMap<string, ScannedSource>): string[] {
  const relative = (tree.get(path)?.imports ?? []).filter(({ specifier }) => specifier.startsWith('.'))
  return relative.map(({ specifier }) => resolve(path, specifier)).filter((target) => tree.has(target))
}

function folderOf(path: string): string {
  const slash = path.indexOf('/')
  return slash === -1 ? '' : path.slice(0, slash)
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1)
}
