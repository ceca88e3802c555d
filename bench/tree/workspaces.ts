// The two kinds of workspace that pushing and restoring are measured with.

import { mkdir, writeFile } from 'node:fs/promises'
import { Prng } from '../../src/base/prng.ts'
import { writeBfloat16Weights } from '../../src/cli/demo-workspace.ts'

const GIB = 2 ** 30
const FILE_BYTES_MAX = 4 * GIB
const SMALL_FILE_BYTES = 2048
const FILES_PER_FOLDER = 100

export type Kind = 'weights' | 'small'

export interface Size {
  readonly gib: number
  readonly files: number
}

/** Makes a workspace in a folder that exists, the same every time; its raw bytes. */
export async function makeWorkspace(kind: Kind, folder: string, { gib, files }: Size): Promise<number> {
  return kind === 'weights' ? makeWeights(folder, gib * GIB) : makeSmallFiles(folder, files)
}

/** bf16 weights in files of at most 4 GiB. */
async function makeWeights(folder: string, bytes: number): Promise<number> {
  for (let made = 0, file = 0; made < bytes; made += FILE_BYTES_MAX, file++)
    await writeBfloat16Weights(
      `${folder}/model-${file}.safetensors`,
      Math.min(FILE_BYTES_MAX, bytes - made),
      file * 1000,
    )
  return bytes
}

/** Files of 2 KiB, a hundred in a folder, that look like source: words of a few letters. */
async function makeSmallFiles(folder: string, files: number): Promise<number> {
  const random = new Prng(1)
  for (let index = 0; index < files; index++) {
    const parent = `${folder}/package-${Math.floor(index / FILES_PER_FOLDER)}`
    if (index % FILES_PER_FOLDER === 0) await mkdir(parent)
    await writeFile(`${parent}/module-${index}.py`, words(SMALL_FILE_BYTES, random))
  }
  return files * SMALL_FILE_BYTES
}

function words(bytes: number, random: Prng): string {
  let text = ''
  while (text.length < bytes) text += `${random.below(50_000).toString(36)} `
  return text.slice(0, bytes)
}
