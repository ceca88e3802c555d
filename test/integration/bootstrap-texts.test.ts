// bootstrap slurm, k8s, cloud-init, vast and runpod on the command line: what is printed where, and what is refused.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { parse, parseAllDocuments } from 'yaml'
import { type Ended, eachTwo, fail, succeed, swarm, text, useFolder } from '../support/cli.ts'
import { makeBlobs } from '../support/trees.ts'

const PLACES = ['slurm', 'k8s', 'cloud-init', 'vast', 'runpod']
const SHA256 = 'a'.repeat(64)
const URL = 'https://example.org/swarm-0.1.0-linux-x64.tar.xz'
const PACKAGE = ['--package-url', URL, '--package-sha256', SHA256]
const STORE = ['--store', 's3://models/swarm']
const NAME = 'team/model'
/** Enough to know a ticket by, and no part of what is secret in it. */
const TICKET_START = 40

/** What only a text of that place holds. */
const MARKS: Readonly<Record<string, RegExp>> = {
  slurm: /^#!\/bin\/sh\n#SBATCH /,
  k8s: /^kind: Job$/m,
  'cloud-init': /^#cloud-config\n/,
  vast: /^#!\/bin\/sh\n# onstart text for vast\.ai/,
  runpod: /^#!\/bin\/sh\n# RunPod template/,
}

describe('bootstrap slurm, k8s, cloud-init, vast and runpod', function () {
  this.timeout(120_000)
  const folder = useFolder()
  let ticket: string

  before(async () => {
    const store = ['--store', `file://${folder}/store`]
    await makeBlobs(`${folder}/source`, { small: 0.01 })
    await succeed(['push', `${folder}/source`, NAME, ...store])
    ticket = text(await succeed(['ticket', NAME, ...store]), 'ticket')
  })

  for (const place of PLACES) {
    const good = ['bootstrap', place, NAME, '/data/model', ...PACKAGE, ...STORE]

    it(`${place}: prints the text alone; with --json one line that holds the same`, async () => {
      const [person, program] = await Promise.all([swarm(good, { json: false }), swarm(good)])
      assert.equal(person.code, 0, person.stderr)
      assert.equal(person.stderr, '')
      assert.match(person.stdout, MARKS[place] ?? /^$/)
      for (const part of [URL, SHA256, 's3://models/swarm', NAME, '/data/model']) {
        assert.ok(person.stdout.includes(part), `${part} in the text`)
      }
      if (place === 'k8s') assert.equal(parseAllDocuments(person.stdout).flatMap(({ errors }) => errors).length, 0)
      if (place === 'cloud-init') assert.ok(Array.isArray(parse(person.stdout).write_files))
      assert.equal(program.code, 0, program.stderr)
      assert.equal(program.lines.length, 1)
      assert.equal(text(program.last, 'place'), place)
      assert.equal(text(program.last, 'text').trimEnd(), person.stdout.trimEnd())
    })

    it(`${place}: refuses a ticket as <snapshot> and repeats none of it`, async () => {
      const ended = await swarm(['bootstrap', place, ticket, '/data/model', ...PACKAGE])
      assert.equal(ended.code, 2, ended.stderr)
      assert.match(text(ended.last, 'cure'), /SWARM_TICKET/)
      assert.ok(!holdsTicket(ended), 'the ticket is in the output')
    })
  }

  function holdsTicket({ stdout, stderr }: Ended): boolean {
    return `${stdout}${stderr}`.includes(ticket.slice(0, TICKET_START))
  }

  it('refuses a ticket in a file as well, and reads none from stdin', async () => {
    await writeFile(`${folder}/ticket`, `${ticket}\n`)
    const args = (given: string): string[] => ['bootstrap', 'vast', given, '/data/model', ...PACKAGE]
    const [inFile, onStdin] = await Promise.all([
      swarm(args(`@${folder}/ticket`), { json: false }),
      swarm(args('-'), { json: false, input: ticket, env: { SWARM_TICKET: ticket } }),
    ])
    assert.equal(inFile.code, 2)
    assert.equal(inFile.stdout, '')
    assert.equal(onStdin.code, 0, onStdin.stderr)
    assert.ok(!holdsTicket(inFile) && !holdsTicket(onStdin), 'the ticket is in the output')
  })

  it('puts a ticket into the text only with --embed-secrets', async () => {
    const args = ['bootstrap', 'slurm', ticket, '/data/model', ...PACKAGE]
    assert.ok(text(await succeed([...args, '--embed-secrets']), 'text').includes(ticket))
  })

  it('never prints what stands in a file of secrets, unless with --embed-secrets', async () => {
    const file = `${folder}/secrets`
    await writeFile(file, 'AWS_ACCESS_KEY_ID=KEYID\nAWS_SECRET_ACCESS_KEY=TOPSECRET\n', { mode: 0o600 })
    await eachTwo(PLACES, async (place) => {
      const plain = await swarm(['bootstrap', place, NAME, ...PACKAGE, ...STORE, '--secrets', file])
      assert.equal(plain.code, 0, plain.stderr)
      assert.doesNotMatch(plain.stdout + plain.stderr, /KEYID|TOPSECRET/)
    })
    const embedded = await succeed(['bootstrap', 'slurm', NAME, ...PACKAGE, '--secrets', file, '--embed-secrets'])
    assert.match(text(embedded, 'text'), /TOPSECRET/)
    await writeFile(file, 'PATH=TOPSECRET\n')
    const bad = await swarm(['bootstrap', 'slurm', NAME, ...PACKAGE, '--secrets', file, '--embed-secrets'])
    assert.equal(bad.code, 2)
    assert.doesNotMatch(bad.stdout + bad.stderr, /TOPSECRET/)
  })

  it('computes the checksum of --package', async () => {
    const file = `${folder}/package.tar.xz`
    await writeFile(file, 'packed')
    const args = ['bootstrap', 'vast', NAME, '--package-url', URL, '--package', file]
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
    assert.ok(text(await succeed(args), 'text').includes(digest))
    const missing = await fail(2, [...args.slice(0, -1), `${folder}/nowhere`])
    assert.match(text(missing, 'message'), /nowhere/)
  })

  it('passes %n, hostile words and a path for all to slurm, and paths to no other place', async () => {
    const location = '/shared/swarm.tar.xz'
    const shared = ['--package-url', location, '--package-sha256', SHA256]
    const command = ['--', 'sh', '-c', 'echo "$HOME"']
    const line = await succeed([
      'bootstrap',
      'slurm',
      NAME,
      '/data/%n',
      '--join-arg=--quiet',
      '--json',
      ...shared,
      ...command,
    ])
    const printed = text(line, 'text')
    for (const part of [location, '/data/"$SLURMD_NODENAME"', `'echo "$HOME"'`]) assert.ok(printed.includes(part), part)
    await eachTwo(PLACES.slice(1), async (place) => {
      await fail(2, ['bootstrap', place, NAME, ...shared])
    })
  })

  it('exits 2 with a cure for what no machine could use', async () => {
    const digest = ['--package-sha256', SHA256]
    const cases: [string[], RegExp][] = [
      [['slurm', NAME], /--package-url/],
      [['slurm', NAME, '--package-url', 'ftp://h/x', ...digest], /ftp:/],
      [['slurm', NAME, '--package-url', 'relative.tar.xz', ...digest], /relative/],
      [['vast', NAME, '--package-url', 'https://user:pass@h/x', ...digest], /password/],
      [['vast', NAME, '--package-url', URL], /SHA-256/],
      [['vast', NAME, '--package-url', URL, '--package-sha256', 'abc'], /abc/],
      [['runpod', NAME, 'relative/dir', ...PACKAGE], /relative\/dir/],
      [['slurm', NAME, '/data\n#SBATCH --x', ...PACKAGE], /<dir>/],
      [['slurm', NAME, '--nodes', '0', ...PACKAGE], /nodes/],
      [['k8s', NAME, '--nodes', 'many', ...PACKAGE], /nodes/],
      [['k8s', NAME, '--name', 'Not_A_Name', ...PACKAGE], /Not_A_Name/],
      [['k8s', NAME, '--kind', 'pod', ...PACKAGE], /kind/],
      [['k8s', NAME, '--embed-secrets', ...PACKAGE], /embed-secrets/],
      [['slurm', NAME, '--partition', 'a b', ...PACKAGE], /a b/],
      [['vast', NAME, '--image', 'a;b', ...PACKAGE], /a;b/],
      [['cloud-init', NAME, '--store', 's3://user:pass@bucket', ...PACKAGE], /credentials/],
      [['cloud-init', 'bad name!', ...PACKAGE], /bad name/],
      [['cloud-init', `${NAME}@12`, ...PACKAGE], /not a root/],
      [['slurm', NAME, '--join-arg', '--json', ...PACKAGE], /--package-url/],
    ]
    await eachTwo(cases, async ([args, message]) => {
      const error = await fail(2, ['bootstrap', ...args])
      assert.match(text(error, 'message'), message, args.join(' '))
    })
  })
})
