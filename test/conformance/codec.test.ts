// Runs the codec suite on every implementation and says which those are.

import assert from 'node:assert/strict'
import { openNativeCodec } from '../../src/codec/native-codec.ts'
import { openPlainCodec } from '../support/plain-codec.ts'
import { codecConformance } from './codec.ts'

const IMPLEMENTATIONS = {
  'native, one thread': () => openNativeCodec({ threads: 1 }),
  'native, four threads': () => openNativeCodec({ threads: 4 }),
  'second decoder': openPlainCodec,
}

describe('codec conformance', () => {
  it('runs on at least two implementations', () => {
    console.log(`      implementations: ${Object.keys(IMPLEMENTATIONS).join('; ')}`)
    assert.ok(Object.keys(IMPLEMENTATIONS).length >= 2)
  })
})

for (const [name, open] of Object.entries(IMPLEMENTATIONS)) codecConformance(name, open)
