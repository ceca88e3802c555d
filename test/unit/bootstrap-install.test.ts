// Installing on a host, by the scripts that hosts run, on this machine: fetched or sent, compared, unpacked, put in place. FAULTS rows B2, B7.

import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { fetchScript, programPath, unpackScript, uploadCommand } from '../../src/bootstrap/install.ts'
import { type PackageFile, readPackageFile } from '../../src/bootstrap/own-package.ts'
import { useFolder } from '../support/cli.ts'

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
      22,
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
