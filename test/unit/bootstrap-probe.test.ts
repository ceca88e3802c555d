// What a host answers before anything is copied to it, and the script that asks, run by the shell of this machine.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { isSwarmError } from '../../src/base/errors.ts'
import { type HostFacts, ProbeAnswer, probeScript } from '../../src/bootstrap/probe.ts'
import { LINE_MARK } from '../../src/bootstrap/ssh.ts'
import { useFolder } from '../support/cli.ts'

const GOOD = [
  'prefix=/home/me/.local/share/swarm',
  'directory=/data',
  'system=Linux',
  'machine=x86_64',
  'libc=glibc 2.36',
  'tool=tar',
  'tool=gzip',
  'tool=sha256sum',
  'prefixWrite=ok',
  'prefixFreeKiB=9000000',
  'directoryWrite=ok',
  'directoryFreeKiB=9000000',
  'end=yes',
]

function answerOf(lines: readonly string[], changes: Readonly<Record<string, string>> = {}): ProbeAnswer {
  const answer = new ProbeAnswer()
  for (const line of lines) {
    const name = line.slice(0, line.indexOf('='))
    answer.take(changes[name] === undefined ? line : `${name}=${changes[name]}`)
  }
  return answer
}

function judge(changes: Readonly<Record<string, string>>, wantedBytes?: number): HostFacts | string {
  try {
    return answerOf(GOOD, changes).facts('x86_64', wantedBytes)
  } catch (error) {
    assert.ok(isSwarmError(error))
    assert.notEqual(error.cure, '')
    return `${error.exitCode} ${error.message}`
  }
}

describe('a host that is asked before anything is copied to it', () => {
  it('is taken with glibc 2.28 or later, however the system says it', () => {
    for (const libc of [
      'glibc 2.28',
      'glibc 2.39',
      'ldd (Debian GLIBC 2.31-13+deb11u11) 2.31',
      'ldd (GNU libc) 2.28',
    ]) {
      assert.equal(typeof judge({ libc }), 'object', libc)
    }
  })

  const refusals: readonly (readonly [
    name: string,
    changes: Readonly<Record<string, string>>,
    message: RegExp,
    wantedBytes?: number,
  ])[] = [
    ['an old C library', { libc: 'glibc 2.17' }, /^2 its C library is glibc 2\.17/],
    ['musl', { libc: 'musl libc (x86_64)' }, /^2 its C library is musl/],
    ['another processor', { machine: 'aarch64' }, /^2 its processor is aarch64/],
    ['another system', { system: 'Darwin' }, /^2 it runs Darwin/],
    ['a full disk', { directoryWrite: 'sh: write error: No space left on device' }, /^7 \/data: .*No space left/],
    ['a disk quota', { directoryWrite: 'mkdir: Disk quota exceeded' }, /^7 \/data: .*quota/],
    [
      'a directory without permission',
      { directoryWrite: 'mkdir: Permission denied' },
      /^7 \/data: mkdir: Permission denied/,
    ],
    ['no room for the program', { prefixFreeKiB: '1000' }, /^7 .*swarm: 2 MB free, 250 MB needed/],
    ['no room for the snapshot', { directoryFreeKiB: '1000' }, /^7 \/data: 2 MB free, 5000 MB needed/, 5e9],
  ]
  for (const [name, changes, message, wantedBytes] of refusals) {
    it(`is refused for ${name}, with a cure`, () => {
      assert.match(String(judge(changes, wantedBytes)), message)
    })
  }

  it('is not asked for the room of a snapshot that it has a part of', () => {
    const answer = answerOf([...GOOD, 'begun=yes'], { directoryFreeKiB: '1000' })
    assert.equal(answer.facts('x86_64', 5e9).readyRoot, undefined)
  })

  describe('by the real script', () => {
    const folder = useFolder()

    function ask(directory: string): HostFacts {
      const script = probeScript({ directory, prefix: `${folder}/it's a "prefix"`, packageId: 'abc' })
      const { stdout, status } = spawnSync('sh', ['-s'], { input: `echo 'Welcome!'\n${script}`, encoding: 'utf8' })
      assert.equal(status, 0)
      const answer = new ProbeAnswer()
      for (const line of stdout.split('\n')) if (line.startsWith(LINE_MARK)) answer.take(line.slice(LINE_MARK.length))
      assert.ok(answer.isWhole)
      return answer.facts(process.arch === 'arm64' ? 'aarch64' : 'x86_64', 1)
    }

    it('answers for names with quotes and spaces, and finds what is installed and ready', () => {
      const directory = `${folder}/da ta'$(touch x)`
      const facts = ask(directory)
      assert.deepEqual([facts.directory, facts.isInstalled, facts.readyRoot], [directory, false, undefined])
      mkdirSync(`${facts.prefix}/abc`)
      writeFileSync(`${facts.prefix}/abc/installed`, '')
      mkdirSync(`${directory}/.swarm`)
      writeFileSync(`${directory}/.swarm/ready`, 'root-of-it\n')
      const again = ask(directory)
      assert.deepEqual([again.isInstalled, again.readyRoot], [true, 'root-of-it'])
    })
  })
})
