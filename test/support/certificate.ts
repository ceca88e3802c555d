// A key and a certificate that nobody vouches for.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { needPart } from './prerequisites.ts'

export interface Certificate {
  readonly key: Buffer
  readonly cert: Buffer
}

/** Writes both to files in `directory`. Throws where there is no openssl that makes them. */
export function makeCertificate(directory: string): readonly [key: string, cert: string] {
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', ...names]
  execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return [key, cert]
}

/** In a `before` hook: both, made in `directory`; skips the suite where there is no openssl that makes them. */
export function needCertificate(context: Mocha.Context, directory: string): Certificate {
  try {
    const [key, cert] = makeCertificate(directory)
    return { key: readFileSync(key), cert: readFileSync(cert) }
  } catch (error) {
    needPart(context, 'openssl', 'has no openssl that makes certificates')
    throw error
  }
}
