// Reads TypeScript source far enough to know what it imports and which names it uses, without a compiler. Comments vanish,
// strings and regular expressions become empty, code inside template literals stays.

export interface ScannedSource {
  readonly imports: readonly ImportEdge[]
  /** The code with comments removed and the content of strings and regular expressions blanked. */
  readonly code: string
  /** Contents of string literals. */
  readonly strings: readonly string[]
  readonly lineCount: number
}

export interface ImportEdge {
  readonly specifier: string
  /** Erased at run time: `import type`, `export type`, or only inline `type` names. */
  readonly isType: boolean
}

/** Stands for string number `n` in the blanked code. */
const STRING_MARK = '\u0001'
const REGEX_BEFORE = /(?:^|[(,=:[!&|?{};+*%<>~^-]|\b(?:return|typeof|case|in|of|await|yield|throw|void|else|do))\s*$/

export function scanSource(source: string): ScannedSource {
  const { code, strings } = blank(source)
  const text = (mark: string | undefined): string => strings[Number(mark)] ?? ''
  const imports: ImportEdge[] = []
  const mark = `${STRING_MARK}(\\d+)${STRING_MARK}`
  for (const match of code.matchAll(new RegExp(`\\b(?:import|export)\\s+([^;'"()]*?)\\bfrom\\s*${mark}`, 'g'))) {
    imports.push({ specifier: text(match[2]), isType: isTypeClause(match[1] ?? '') })
  }
  for (const match of code.matchAll(new RegExp(`\\bimport\\s*${mark}`, 'g'))) {
    imports.push({ specifier: text(match[1]), isType: false })
  }
  for (const match of code.matchAll(new RegExp(`(\\btypeof\\s+|:\\s*|<\\s*)?\\bimport\\s*\\(\\s*${mark}`, 'g'))) {
    imports.push({ specifier: text(match[2]), isType: match[1] !== undefined })
  }
  for (const match of code.matchAll(new RegExp(`\\b(?:require|require\\.resolve)\\s*\\(\\s*${mark}`, 'g'))) {
    imports.push({ specifier: text(match[1]), isType: false })
  }
  for (const match of code.matchAll(new RegExp(`\\bnew\\s+URL\\s*\\(\\s*${mark}\\s*,\\s*import\\.meta\\.url`, 'g'))) {
    if (text(match[1]).endsWith('.ts')) imports.push({ specifier: text(match[1]), isType: false })
  }
  const plain = code.replace(new RegExp(mark, 'g'), '')
  return { imports, code: plain, strings, lineCount: source.split('\n').length - (source.endsWith('\n') ? 1 : 0) }
}

function isTypeClause(clause: string): boolean {
  if (/^type\b(?!\s*,)/.test(clause.trim())) return true
  const names = /^\{([^}]*)\}$/.exec(clause.trim())?.[1]
  if (names === undefined) return false
  const list = names.split(',').filter((name) => name.trim() !== '')
  return list.length > 0 && list.every((name) => /^\s*type\s/.test(name))
}

function blank(source: string): { code: string; strings: string[] } {
  const strings: string[] = []
  let code = ''
  let position = 0
  /** Depth of braces inside each open `${`. */
  const templates: number[] = []
  while (position < source.length) {
    const rest = source.slice(position, position + 2)
    const character = rest[0] ?? ''
    if (rest === '//') {
      position = endOf(source, position, '\n')
    } else if (rest === '/*') {
      position = endOf(source, position + 2, '*/') + 2
    } else if (character === "'" || character === '"') {
      const end = endOfQuoted(source, position + 1, character)
      code += `${STRING_MARK}${strings.push(source.slice(position + 1, end)) - 1}${STRING_MARK}`
      position = end + 1
    } else if (character === '`' || (character === '}' && templates.at(-1) === 0)) {
      if (character === '}') templates.pop()
      const end = endOfTemplate(source, position + 1)
      strings.push(source.slice(position + 1, end))
      code += ' '
      if (source[end] === '$') templates.push(0)
      position = end + (source[end] === '$' ? 2 : 1)
    } else if (character === '/' && REGEX_BEFORE.test(code.slice(-40))) {
      position = endOfRegex(source, position + 1)
      code += ' '
    } else {
      const depth = templates.length - 1
      if (depth >= 0 && character === '{') templates[depth] = (templates[depth] ?? 0) + 1
      if (depth >= 0 && character === '}') templates[depth] = (templates[depth] ?? 0) - 1
      code += character
      position++
    }
  }
  return { code, strings }
}

function endOf(source: string, start: number, mark: string): number {
  const end = source.indexOf(mark, start)
  return end === -1 ? source.length : end
}

function endOfQuoted(source: string, start: number, quote: string): number {
  let position = start
  while (position < source.length && source[position] !== quote) position += source[position] === '\\' ? 2 : 1
  return position
}

/** Position of the closing backquote or of the dollar of the next `${`. */
function endOfTemplate(source: string, start: number): number {
  let position = start
  while (position < source.length && source[position] !== '`' && source.slice(position, position + 2) !== '${') {
    position += source[position] === '\\' ? 2 : 1
  }
  return position
}

function endOfRegex(source: string, start: number): number {
  let inClass = false
  let position = start
  for (; position < source.length && (inClass || source[position] !== '/'); position++) {
    if (source[position] === '\\') position++
    else if (source[position] === '[') inClass = true
    else if (source[position] === ']') inClass = false
  }
  return position + 1
}
