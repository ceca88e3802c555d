// Keys and settings for a real sshd that lets in one key and nobody else.

import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/**
 * Makes `folder` with `login` and `host`, keys and their public halves, and `sshd_config`; `settings` come first in it. Run as root, it also makes
 * the folder that sshd insists on.
 */
export async function makeSshdFiles(folder: string, settings: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true })
  for (const name of ['login', 'host']) {
    await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${folder}/${name}`])
  }
  const lines = [
    ...settings,
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/login.pub`,
    'StrictModes no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'UsePAM no',
    'PidFile none',
  ]
  await writeFile(`${folder}/sshd_config`, `${lines.join('\n')}\n`)
}
