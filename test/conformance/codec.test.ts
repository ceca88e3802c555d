// Runs the codec suite on every implementation and says which those are.

import assert from 'node:assert/strict'
import type { Codec } from '../../src/codec/codec.ts'
import { availableCodecPaths, openNativeCodec } from '../../src/codec/native-codec.ts'
import { openPlainCodec } from '../support/plain-codec.ts'
import { codecConformance } from './codec.ts'

const IMPLEMENTATIONS: Readonly<Record<string, () => Codec>> = {
  ...Object.fromEntries(
    availableCodecPaths().map((path) => [`native, ${path}, one thread`, () => openNativeCodec({ threads: 1, path })]),
  ),
  'native, best path, four threads': () => openNativeCodec({ threads: 4 }),
  'native, on a device': () => openNativeCodec({ threads: 2, device: 'cuda', standIn: 'host-warp' }),
  'second decoder': openPlainCodec,
}

describe('codec conformance', () => {
  it('runs on at least two implementations', () => {
    console.log(`      implementations: ${Object.keys(IMPLEMENTATIONS).join('; ')}`)
    assert.ok(Object.keys(IMPLEMENTATIONS).length >= 2)
  })
})

for (const [name, open] of Object.entries(IMPLEMENTATIONS)) codecConformance(name, open)
