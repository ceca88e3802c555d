// What is done by GPUs, with the processor standing in for one: the same bytes, broken chunks, devices that fail, and the choice.

import assert from 'node:assert/strict'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Codec, EncodeOptions } from '../../src/codec/codec.ts'
import { DeviceUse, type DeviceUseInit } from '../../src/codec/device-use.ts'
import { type JobResult, loadAddon } from '../../src/codec/load-addon.ts'
import { openNativeCodec } from '../../src/codec/native-codec.ts'
import { bf16Weights, concat, fp32Weights, noise, skewed } from '../support/codec-samples.ts'

const OPTIONS: EncodeOptions = { codec: 'ans', element: 'unknown', zstdLevel: 3 }
const SAMPLES = [
  new Uint8Array(0),
  skewed(5000, 1),
  bf16Weights(70_000, 0.02, 2),
  fp32Weights(30_000, 0.02, 3),
  concat([7], bf16Weights(40_000, 0.02, 4)),
  noise(9000, 5),
]

async function encoded(codec: Codec, raw: Uint8Array): Promise<Uint8Array> {
  const out = new Uint8Array(codec.maxEncodedBytes(raw.length))
  return out.subarray(0, await codec.encode(raw, out, OPTIONS))
}

async function decoded(codec: Codec, chunk: Uint8Array, rawBytes: number): Promise<Uint8Array> {
  const raw = new Uint8Array(rawBytes)
  await codec.decode(chunk, raw)
  return raw
}

describe('codec on a device', () => {
  let processor: Codec
  let device: Codec
  const warnings: string[] = []

  function openDevice(standIn: string): Codec {
    return openNativeCodec({ threads: 2, device: 'cuda', standIn, warn: (text) => warnings.push(text) })
  }

  before(() => {
    processor = openNativeCodec({ threads: 1 })
  })

  beforeEach(() => {
    warnings.length = 0
  })

  afterEach(() => device.close())
  after(() => processor.close())

  it('makes the same chunks as the processor, many at once, and reads them', async () => {
    device = openDevice('host-warp')
    const many = [...SAMPLES, ...SAMPLES, ...SAMPLES]
    const expected = await Promise.all(many.map((raw) => encoded(processor, raw)))
    assert.deepEqual(await Promise.all(many.map((raw) => encoded(device, raw))), expected)
    const back = await Promise.all(expected.map((chunk, index) => decoded(device, chunk, many[index]?.length ?? 0)))
    assert.deepEqual(back, many)
    assert.deepEqual([device.status.device, warnings], ['host-warp', []])
  })

  it('refuses a broken chunk as the processor does, and goes on', async () => {
    device = openDevice('host-warp')
    const raw = bf16Weights(40_000, 0.02, 6)
    const good = await encoded(processor, raw)
    const broken = good.slice()
    broken[good.length - 100] = (broken[good.length - 100] ?? 0) ^ 1
    const results = await Promise.allSettled([
      decoded(device, good, raw.length),
      decoded(device, broken, raw.length),
      decoded(device, good, raw.length),
    ])
    assert.deepEqual(results[0], { status: 'fulfilled', value: raw })
    assert.deepEqual(results[2], { status: 'fulfilled', value: raw })
    await assert.rejects(decoded(device, broken, raw.length), { code: 'integrity', blame: 'peer' })
    assert.deepEqual([results[1]?.status, device.status.device, warnings], ['rejected', 'host-warp', []])
  })

  it('reads from files and restores to files', async () => {
    device = openDevice('host-warp')
    const folder = await mkdtemp(join(tmpdir(), 'swarm-device-'))
    try {
      const raw = bf16Weights(50_000, 0.02, 7)
      const file = await open(join(folder, 'weights'), 'w+')
      await file.truncate(raw.length + 10)
      const chunk = await encoded(processor, raw)
      const ranges = [
        { fd: file.fd, offset: 10, length: 60_000, rawOffset: 0 },
        { fd: file.fd, offset: 60_010, length: 40_000, rawOffset: 60_000 },
      ]
      await device.restore(chunk, new Uint8Array(raw.length), ranges)
      assert.deepEqual((await readFile(join(folder, 'weights'))).subarray(10), Buffer.from(raw))
      const out = new Uint8Array(device.maxEncodedBytes(raw.length))
      const size = await device.readAndEncode(ranges, new Uint8Array(raw.length), out, OPTIONS)
      assert.deepEqual(out.subarray(0, size), chunk)
      await file.close()
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  for (const batches of [0, 1, 3]) {
    it(`loses nothing when the device fails after ${batches} batches, and says so once`, async () => {
      device = openDevice(`host-warp:${batches}`)
      const raw = bf16Weights(40_000, 0.02, 8)
      const expected = await encoded(processor, raw)
      for (let round = 0; round < 6; round++) {
        const chunks = await Promise.all(Array.from({ length: 5 }, () => encoded(device, raw)))
        for (const chunk of chunks) assert.deepEqual(chunk, expected)
        assert.deepEqual(await decoded(device, expected, raw.length), raw)
      }
      assert.equal(device.status.device, 'cpu')
      assert.equal(warnings.length, 1)
      assert.match(warnings[0] ?? '', /the GPU is not used any more: the host backend was told to fail/)
    })
  }

  it('G8: is distrusted once it refuses a chunk that the processor finds right', async () => {
    device = openDevice('host-warp:1:refuse')
    const raw = bf16Weights(40_000, 0.02, 9)
    const chunk = await encoded(processor, raw)
    for (let round = 0; round < 6; round++) assert.deepEqual(await decoded(device, chunk, raw.length), raw)
    assert.equal(device.status.device, 'cpu')
    assert.match(warnings.join(), /^the GPU is not used any more: it refused a chunk that is right; .*$/)
  })

  it('is asked for in vain where there is none', () => {
    const { found, reason } = loadAddon().findDevices()
    if (found.length > 0) return
    assert.notEqual(reason, '')
    assert.throws(() => openNativeCodec({ device: 'cuda', standIn: '' }), {
      code: 'gpuUnusable',
      message: /no GPU can be used/,
    })
    assert.throws(() => openNativeCodec({ device: 'cuda', standIn: 'abacus' }), { code: 'usage', message: /abacus/ })
  })
})

describe('choice of a device', () => {
  const result = { status: 0, deviceFault: '' } as JobResult
  const CHUNK = 128 * 1024 * 1024

  /** A pool whose device takes `onDevice` steps for a chunk and whose processor takes `onProcessor`. */
  function use(failure: string) {
    const calls: string[] = []
    const pool = {
      attach: async () => {
        calls.push('attach')
        return failure
      },
      retire: () => calls.push('retire'),
    }
    const init = { addon: loadAddon(), pool, choice: 'auto', standIn: '', warn: (text: string) => calls.push(text) }
    return { calls, devices: new DeviceUse(init as unknown as DeviceUseInit) }
  }

  /** Takes so many turns of the event loop for each chunk. */
  const steps = (onDevice: number, onProcessor: number) => async (isOnDevice: boolean) => {
    for (let step = isOnDevice ? onDevice : onProcessor; step > 0; step--)
      await new Promise((resolve) => setImmediate(resolve))
  }

  it('looks for a device only once a job has become large', async () => {
    const { calls, devices } = use('')
    devices.note(result, CHUNK, () => steps(1, 1))
    assert.deepEqual(calls, [])
    devices.note(result, CHUNK, () => steps(0, 2000))
    devices.note(result, CHUNK, () => steps(0, 2000))
    await devices.decided()
    assert.deepEqual([calls, devices.device, await devices.ask()], [['attach'], 'cuda', true])
  })

  it('stays with the processor where that is faster', async () => {
    const { calls, devices } = use('')
    devices.note(result, 2 * CHUNK, () => steps(2000, 0))
    await devices.decided()
    assert.deepEqual([calls, devices.device, await devices.ask()], [['attach', 'retire'], 'cpu', false])
  })

  it('stays with the processor and says why where there is no device', async () => {
    const { calls, devices } = use('no NVIDIA driver is installed')
    devices.note(result, 2 * CHUNK, () => steps(0, 0))
    await devices.decided()
    const words = 'no GPU is used: no NVIDIA driver is installed; the processor does the work'
    assert.deepEqual([calls, devices.device], [['attach', words], 'cpu'])
  })

  it('does not measure for a job that is over', async () => {
    const { calls, devices } = use('')
    devices.note(result, 2 * CHUNK, () => () => assert.fail('measured'))
    await devices.end()
    assert.deepEqual([calls, devices.device], [['attach', 'retire'], 'cpu'])
  })

  it('goes on with the processor when the device fails later', async () => {
    const { calls, devices } = use('')
    devices.note(result, 2 * CHUNK, () => steps(0, 2000))
    await devices.decided()
    devices.note({ ...result, deviceFault: 'an error' }, CHUNK, () => steps(0, 0))
    assert.deepEqual(calls, ['attach', 'the GPU is not used any more: an error; the processor goes on'])
    assert.equal(await devices.ask(), false)
  })
})
