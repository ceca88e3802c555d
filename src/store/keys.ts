// Which keys a store accepts. The same on every implementation, so that a directory can be copied into a bucket.

import { SwarmError } from '../base/errors.ts'
import { KEY_LENGTH_MAX } from './limits.ts'

const COMPONENT = /^[A-Za-z0-9._-]+$/

/** Components of ASCII letters, digits, `.`, `_`, `-`, none of them `.` or `..`, joined by single slashes. */
export function isStoreKey(text: string): boolean {
  return text.length <= KEY_LENGTH_MAX && text.split('/').every(isComponent)
}

/** The start of a key: empty, `folder/`, or cut anywhere within the last component. */
export function isStorePrefix(text: string): boolean {
  if (text.length > KEY_LENGTH_MAX) return false
  const components = text.split('/')
  const last = components.pop() ?? ''
  return (last === '' || COMPONENT.test(last)) && components.every(isComponent)
}

/** Throws `usage` for a key that no store accepts. */
export function checkKey(key: string): void {
  if (isStoreKey(key)) return
  throw new SwarmError('usage', `not a key of a store: ${JSON.stringify(key.slice(0, KEY_LENGTH_MAX))}`, {
    blame: 'caller',
    cure: 'use letters, digits, ".", "_", "-" and single "/" between them, without "." or ".." as a component',
  })
}

/** Throws `usage` for a prefix that no key could start with. */
export function checkPrefix(prefix: string): void {
  if (isStorePrefix(prefix)) return
  throw new SwarmError('usage', `not a prefix of keys: ${JSON.stringify(prefix.slice(0, KEY_LENGTH_MAX))}`, {
    blame: 'caller',
  })
}

/** Ascending byte order; keys are ASCII, so code units are bytes. */
export function compareKeys(first: string, second: string): number {
  return first < second ? -1 : first > second ? 1 : 0
}

function isComponent(text: string): boolean {
  return COMPONENT.test(text) && text !== '.' && text !== '..'
}
