// Small workspaces with every kind of entry, and a comparison of two trees that shares no code with what it judges.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, lstat, lutimes, mkdir, readdir, readFile, readlink, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

const MIB = 1024 * 1024

/** Bytes that do not compress, the same for the same seed. */
export function noise(bytes: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4))
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let index = 0; index < words.length; index++) {
    state = (state ^ (state << 13)) >>> 0
    state = (state ^ (state >>> 17)) >>> 0
    state = (state ^ (state << 5)) >>> 0
    words[index] = state
  }
  return Buffer.from(words.buffer, 0, bytes)
}

/** Half-precision weights (bf16) around zero: compress with the float codec. */
export function weights(bytes: number, seed: number): Buffer {
  const bits = noise(bytes * 2, seed)
  const out = Buffer.alloc(bytes)
  for (let index = 0; index + 1 < bytes; index += 2) {
    const uniform = (bits.readUInt32LE(index * 2) + 0.5) / 2 ** 32
    const value = Math.log(uniform / (1 - uniform)) * 0.02
    const float = Buffer.alloc(4)
    float.writeFloatLE(value)
    float.copy(out, index, 2, 4)
  }
  return out
}

export function prose(bytes: number, seed: number): Buffer {
  const words = ['self', 'batch', 'layer', 'return', 'weight', 'import', 'loss', 'step', 'gradient', 'for', 'range']
  const picks = noise(bytes, seed)
  let text = ''
  for (let index = 0; text.length < bytes; index++) text += `${words[(picks[index] ?? 0) % words.length]} `
  return Buffer.from(text.slice(0, bytes))
}

/** Files of the given sizes in MiB that do not compress; names are the keys. */
export async function makeBlobs(directory: string, sizes: Readonly<Record<string, number>>): Promise<void> {
  for (const [seed, [name, mib]] of Object.entries(sizes).entries()) {
    await mkdir(dirname(`${directory}/${name}`), { recursive: true })
    await writeFile(`${directory}/${name}`, noise(Math.round(mib * MIB), seed + 1))
  }
}

/** About 9 MiB: weights, noise and text, many small files, links, empty things, odd names, modes and times. */
export async function makeWorkspace(directory: string): Promise<void> {
  await mkdir(`${directory}/model`, { recursive: true })
  await writeFile(`${directory}/model/weights.bin`, weights(3 * MIB + 4097, 1))
  await writeFile(`${directory}/model/noise.bin`, noise(3 * MIB + 1, 2))
  await writeFile(`${directory}/model/twin.bin`, noise(3 * MIB + 1, 2))
  await writeFile(`${directory}/train.log`, prose(2 * MIB, 3))
  await mkdir(`${directory}/src/deep/er`, { recursive: true })
  for (let index = 0; index < 60; index++) {
    await writeFile(`${directory}/src/deep/file-${index}.py`, prose(100 + 37 * index, index))
  }
  const odd = `${directory}/odd`
  await mkdir(`${odd}/empty/inner`, { recursive: true })
  await writeFile(`${odd}/empty-file`, '')
  const names = ['-rf', ' space ', 'two\nlines', 'ünïcødé 模型', 'back\\slash', '\u001b[31mred', '...', 'x'.repeat(255)]
  for (const name of names) await writeFile(`${odd}/${name}`, name)
  await writeFile(Buffer.concat([Buffer.from(`${odd}/not-utf8-`), Buffer.from([0xff, 0xfe])]), 'x')
  await symlink('../model/noise.bin', `${odd}/link-to-file`)
  await symlink('..', `${odd}/link-to-directory`)
  await symlink('nowhere/at all', `${odd}/dangling`)
  await chmod(`${directory}/src/deep/file-1.py`, 0o444)
  await chmod(`${directory}/src/deep/file-2.py`, 0o755)
  await chmod(`${directory}/model/noise.bin`, 0o400)
  await lutimes(`${odd}/dangling`, 1_000_000_000.25, 1_000_000_000.25)
  await utimes(`${odd}/-rf`, -1.5, -1.5)
  await utimes(`${directory}/src/deep/file-3.py`, 1_234_567_890.125, 1_234_567_890.125)
  await chmod(`${odd}/empty`, 0o750)
  await utimes(`${odd}/empty`, 1_111_111_111, 1_111_111_111)
}

/** Fails with the first differences in names, types, modes, times to the nanosecond, link targets or bytes. */
export async function assertSameTree(expected: string, actual: string): Promise<void> {
  assert.deepEqual(await describeTree(actual), await describeTree(expected))
}

/** Everything that matters about each entry but the root and its state directory, by path. */
export async function describeTree(root: string): Promise<Record<string, string>> {
  const found: [string, string][] = []
  await describeFolder(Buffer.from(root), '', found)
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)))
}

async function describeFolder(folder: Buffer, below: string, found: [string, string][]): Promise<void> {
  for (const name of await readdir(folder, { encoding: 'buffer' })) {
    const path = `${below}${name.toString('latin1')}`
    if (path === '.swarm') continue
    const full = Buffer.concat([folder, Buffer.from('/'), name])
    const stats = await lstat(full, { bigint: true })
    const facts = `mode ${stats.mode.toString(8)} time ${stats.mtimeNs}`
    if (stats.isDirectory()) {
      found.push([path, `directory ${facts}`])
      await describeFolder(full, `${path}/`, found)
    } else if (stats.isSymbolicLink()) {
      found.push([path, `link ${facts} to ${(await readlink(full, { encoding: 'buffer' })).toString('latin1')}`])
    } else {
      const hash = createHash('sha256')
        .update(await readFile(full))
        .digest('hex')
      found.push([path, `file ${facts} size ${stats.size} ${hash}`])
    }
  }
}
