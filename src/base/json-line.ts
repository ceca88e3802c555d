// One line of JSON from somewhere else.

/** The object that a text is; undefined for anything else, such as a line that was cut off or is none of ours. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
