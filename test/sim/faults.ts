// Nodes that fail or misbehave: each takes a plain node and returns one with the fault.

import type { NodeSpec } from './world.ts'

/** Vanishes without a word. Its neighbours notice a moment later. */
export function crashing(node: NodeSpec, atMs: number): NodeSpec {
  return { ...node, crashAtMs: atMs }
}

/** Claims every chunk and refuses those that it does not have. */
export function lying(node: NodeSpec): NodeSpec {
  return { ...node, behaviour: 'liar' }
}

/** Claims every chunk and never answers. */
export function silent(node: NodeSpec): NodeSpec {
  return { ...node, behaviour: 'silent' }
}

/** Sends wrong bytes for every chunk. */
export function corrupting(node: NodeSpec): NodeSpec {
  return { ...node, behaviour: 'corrupt' }
}

/** Sends wrong bytes for half of every chunk and refuses the rest, so that others finish what it began. */
export function poisoning(node: NodeSpec): NodeSpec {
  return { ...node, behaviour: 'poison' }
}

/** Holds everything and sends a byte per millisecond. */
export function crawling(node: NodeSpec): NodeSpec {
  return { ...node, origin: 0, up: 1, source: true }
}

/** Sends as slowly as a fiftieth of its uplink. */
export function slow(node: NodeSpec): NodeSpec {
  return { ...node, behaviour: 'slow' }
}

export function sendsWrongBytes(node: NodeSpec): boolean {
  return node.behaviour === 'corrupt' || node.behaviour === 'poison'
}

/** Whether the node must be complete at the end, whatever else happens. */
export function mustFinish(node: NodeSpec): boolean {
  const honest = node.behaviour === undefined || node.behaviour === 'honest'
  return honest && node.crashAtMs === undefined && node.source !== true
}
