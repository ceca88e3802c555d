// Installing on a host, by the scripts that hosts run, on this machine: fetched or sent, compared, unpacked, put in place. FAULTS rows B2, B7.

import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { DAMAGED_EXIT, fetchScript, programPath, unpackScript, uploadCommand } from '../../src/bootstrap/install.ts'
import { installFunctions, SAY } from '../../src/bootstrap/install-script.ts'
import { type PackageFile, readPackageFile } from '../../src/bootstrap/own-package.ts'
import { useFolder } from '../support/cli.ts'

const SOMEBODY_ELSE = 12_345
const ONE_DAY_MS = 86_400_000

describe('the scripts that install on a host', () => {
  const folder = useFolder()
  let file: PackageFile

  before(async () => {
    const made = `${folder}/made/swarm-1-linux-x64`
    mkdirSync(made, { recursive: true })
    writeFileSync(`${made}/swarm`, '#!/bin/sh\necho installed\n')
    chmodSync(`${made}/swarm`, 0o755)
    execFileSync('tar', ['-C', `${folder}/made`, '-czf', `${folder}/swarm-1-linux-x64.tar.gz`, 'swarm-1-linux-x64'])
    file = await readPackageFile(`${folder}/swarm-1-linux-x64.tar.gz`)
  })

  function sh(script: string): number | null {
    return spawnSync('sh', ['-s'], { input: script }).status
  }

  /** An archive of a folder of `made`, as it would be sent. */
  async function packed(name: string, compression: 'gz' | 'xz' = 'gz'): Promise<PackageFile> {
    const archive = `${folder}/${name}-linux-x64.tar.${compression}`
    execFileSync('tar', ['-C', `${folder}/made`, '-caf', archive, name])
    return readPackageFile(archive)
  }

  /** What a printed text does with a packed file. */
  function printed({ path, sha256 }: PackageFile, prefix: string): string {
    return `set -eu\n${SAY}${installFunctions({ location: path, sha256 })}swarm_install ${prefix}\n"$SWARM"\n`
  }

  function send(prefix: string, nonce: string): void {
    const { status } = spawnSync('sh', ['-c', uploadCommand(prefix, nonce)], { input: readFileSync(file.path) })
    assert.equal(status, 0)
  }

  it('leave a program that runs, its archive to be passed on, and nothing else; again does no harm', () => {
    const prefix = `${folder}/twice`
    for (const nonce of ['one', 'two']) {
      send(prefix, nonce)
      assert.equal(sh(unpackScript(prefix, nonce, file)), 0)
      assert.equal(execFileSync(programPath(prefix, file), { encoding: 'utf8' }), 'installed\n')
      assert.deepEqual(readdirSync(prefix), [file.id])
      assert.deepEqual(readFileSync(`${prefix}/${file.id}/package`), readFileSync(file.path))
    }
  })

  it('refuse what does not have the checksum, and leave nothing of it', () => {
    const prefix = `${folder}/tampered`
    send(prefix, 'one')
    assert.equal(
      sh(
        unpackScript(prefix, 'one', {
          ...file,
          sha256: file.sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
        }),
      ),
      DAMAGED_EXIT,
    )
    assert.deepEqual(readdirSync(prefix), [])
  })

  it('mend what an interrupted run left half unpacked', () => {
    const prefix = `${folder}/half`
    mkdirSync(`${prefix}/${file.id}`, { recursive: true })
    writeFileSync(`${prefix}/${file.id}/swarm`, 'half')
    send(prefix, 'one')
    assert.equal(sh(unpackScript(prefix, 'one', file)), 0)
    assert.equal(execFileSync(programPath(prefix, file), { encoding: 'utf8' }), 'installed\n')
  })

  it('take nothing for installed that was not unpacked to its end', async () => {
    cpSync(`${folder}/made/swarm-1-linux-x64`, `${folder}/made/cut-off`, { recursive: true })
    // The launcher comes first in the archive, and what is cut off after it.
    writeFileSync(`${folder}/made/cut-off/z`, randomBytes(1_000_000))
    const { path, bytes } = await packed('cut-off')
    truncateSync(path, Math.floor(bytes / 2))
    const prefix = `${folder}/cut`
    const cutOff = await readPackageFile(path)
    spawnSync('sh', ['-c', uploadCommand(prefix, 'one')], { input: readFileSync(path) })
    assert.equal(sh(unpackScript(prefix, 'one', cutOff)), 1)
    assert.deepEqual(readdirSync(prefix), [])
  })

  it('give what is installed to whoever installs it', async function () {
    if (process.getuid?.() !== 0) this.skip()
    cpSync(`${folder}/made/swarm-1-linux-x64`, `${folder}/made/owned`, { recursive: true })
    chownSync(`${folder}/made/owned/swarm`, SOMEBODY_ELSE, SOMEBODY_ELSE)
    const prefix = `${folder}/owned`
    const owned = await packed('owned')
    spawnSync('sh', ['-c', uploadCommand(prefix, 'one')], { input: readFileSync(owned.path) })
    assert.equal(sh(unpackScript(prefix, 'one', owned)), 0)
    assert.equal(statSync(programPath(prefix, owned)).uid, 0)
  })

  it('run nothing from a folder of somebody else, also what looks installed', async function () {
    if (process.getuid?.() !== 0) this.skip()
    const prefix = `${folder}/foreign`
    send(prefix, 'one')
    const xz = await packed('swarm-1-linux-x64', 'xz')
    for (const name of [file.id, xz.sha256]) {
      cpSync(`${folder}/made/swarm-1-linux-x64`, `${prefix}/${name}`, { recursive: true })
      writeFileSync(`${prefix}/${name}/installed`, '')
    }
    chownSync(prefix, SOMEBODY_ELSE, SOMEBODY_ELSE)
    assert.equal(sh(unpackScript(prefix, 'one', file)), 1)
    const text = spawnSync('sh', ['-c', printed(xz, prefix)], { encoding: 'utf8' })
    assert.deepEqual([text.status, text.stdout], [1, ''])
    assert.match(text.stderr, /another user: name another folder/)
  })

  it('remove what killed runs left a day ago, and nothing younger', () => {
    const prefix = `${folder}/left`
    const yesterday = new Date(Date.now() - ONE_DAY_MS - 1000)
    for (const nonce of ['killed', 'working']) send(prefix, nonce)
    utimesSync(`${prefix}/.new.killed`, yesterday, yesterday)
    send(prefix, 'one')
    assert.equal(sh(unpackScript(prefix, 'one', file)), 0)
    assert.deepEqual(readdirSync(prefix).sort(), ['.new.working', file.id].sort())
  })

  it('leave nothing of what did not fit onto the disk', () => {
    const prefix = `${folder}/full`
    const { status } = spawnSync('sh', ['-c', `trap '' XFSZ; ulimit -f 1; ${uploadCommand(prefix, 'one')}`], {
      input: randomBytes(100_000),
    })
    assert.equal(status, 1)
    assert.deepEqual(readdirSync(prefix), [])
  })

  for (const shell of ['dash', 'bash', 'busybox sh']) {
    it(`work in ${shell}`, async function () {
      const [program = '', ...rest] = shell.split(' ')
      if (spawnSync(program, [...rest, '-c', ':']).error !== undefined) this.skip()
      // With busybox everything else is its own too.
      const path = `${folder}/path-of-${program}`
      mkdirSync(path)
      if (program === 'busybox') execFileSync(program, ['--install', '-s', path])
      const env = { PATH: program === 'busybox' ? path : process.env['PATH'] }
      const run = (script: string): string =>
        execFileSync(program === 'busybox' ? `${path}/sh` : program, ['-s'], { input: script, encoding: 'utf8', env })
      const prefix = `${folder}/in-${program}`
      const xz = await packed('swarm-1-linux-x64', 'xz')
      for (const again of ['one', 'two']) {
        send(prefix, again)
        assert.match(run(unpackScript(prefix, again, file)), /installed=yes/)
        assert.equal(run(printed(xz, prefix)), 'installed\n')
      }
      assert.deepEqual(readdirSync(prefix).sort(), [file.id, xz.sha256].sort())
      rmSync(`${prefix}/${xz.sha256}/installed`)
      writeFileSync(`${prefix}/${xz.sha256}/swarm`, 'half')
      assert.equal(run(printed(xz, prefix)), 'installed\n')
    })
  }

  it('do not meet when several run at once, also where there is no flock', async () => {
    const path = `${folder}/path-without-flock`
    mkdirSync(path)
    for (const name of 'cp find gzip id ls mkdir mktemp mv rm sha256sum sh tar uname xz'.split(' ')) {
      const place = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
      symlinkSync(place, `${path}/${name}`)
    }
    const xz = await packed('swarm-1-linux-x64', 'xz')
    for (const env of [{ PATH: path }, { PATH: process.env['PATH'] }]) {
      const prefix = `${folder}/at-once-${env.PATH === path}`
      const nonces = ['one', 'two', 'three']
      for (const nonce of nonces) send(prefix, nonce)
      const scripts = [
        ...nonces.map((nonce) => unpackScript(prefix, nonce, file)),
        ...nonces.map(() => printed(xz, prefix)),
      ]
      const codes = await Promise.all(
        scripts.map((script) => {
          const child = spawn('/bin/sh', ['-s'], { env, stdio: ['pipe', 'ignore', 'ignore'] })
          child.stdin.end(script)
          return new Promise((resolve) => child.on('close', resolve))
        }),
      )
      assert.deepEqual(codes, [0, 0, 0, 0, 0, 0])
      assert.deepEqual(readdirSync(prefix).sort(), [file.id, xz.sha256].sort())
      assert.deepEqual(readdirSync(`${prefix}/${file.id}`).sort(), ['installed', 'package', 'swarm'])
    }
  })

  for (const tool of ['curl', 'wget', 'python3', 'bash']) {
    it(`fetch with nothing but ${tool}, from the first address that answers`, async function () {
      const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim()
      if (found === '') this.skip()
      // A PATH on which this tool is the only one that could fetch.
      const path = `${folder}/path-${tool}`
      mkdirSync(path)
      // What is called python3 may be a script that looks for the real one.
      const own =
        tool === 'python3'
          ? spawnSync(tool, ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout.trim()
          : found
      symlinkSync(own, `${path}/${tool}`)
      for (const name of ['sh', 'mkdir', 'rm', 'sed', 'cat']) {
        const place = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
        symlinkSync(place, `${path}/${name}`)
      }
      const server = createServer((request, response) => {
        response
          .writeHead(request.url === '/token' ? 200 : 404)
          .end(request.url === '/token' ? readFileSync(file.path) : '')
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const address = server.address()
      const port = typeof address === 'object' ? address?.port : undefined
      const prefix = `${folder}/fetched-${tool}`
      const script = fetchScript(prefix, 'one', ['http://127.0.0.1:1/token', `http://127.0.0.1:${port}/token`])
      const child = spawn('/bin/sh', ['-s'], { env: { PATH: path }, stdio: ['pipe', 'inherit', 'inherit'] })
      child.stdin.end(script)
      const code = await new Promise((resolve) => child.on('close', resolve))
      server.close()
      assert.equal(code, 0)
      assert.equal(sh(unpackScript(prefix, 'one', file)), 0)
    })
  }

  it('say so when nobody gives the package', () => {
    const prefix = `${folder}/nobody`
    assert.equal(sh(fetchScript(prefix, 'one', ['http://127.0.0.1:1/token'])), 20)
    assert.deepEqual(readdirSync(prefix), [])
  })
})
