// The texts that `swarm bootstrap` prints: each is read by the program it is for, and their sh parts run for real.

import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DaemonSet } from 'kubernetes-models/apps/v1'
import { Job } from 'kubernetes-models/batch/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { Pod } from 'kubernetes-models/v1'
import { parse, parseAllDocuments } from 'yaml'
import { cloudConfig } from '../../src/bootstrap/cloud-init.ts'
import { runpodTemplate, vastOnstart } from '../../src/bootstrap/containers.ts'
import { installFunctions, SAY, secretsFunction } from '../../src/bootstrap/install-script.ts'
import { kubernetesManifests } from '../../src/bootstrap/kubernetes.ts'
import { checkPackage, type JoinPlan, parseSecrets } from '../../src/bootstrap/plan.ts'
import { checkPlainText, shellWord } from '../../src/bootstrap/quoting.ts'
import { slurmScript } from '../../src/bootstrap/slurm.ts'
import { needPart } from '../support/prerequisites.ts'

const run = promisify(execFile)
const HOSTILE = `/data/it's "$(touch pwned)" \`id\` #x: y`
const PLAN: JoinPlan = {
  snapshot: 'team/model',
  directory: HOSTILE,
  storeUrl: 's3://models/swarm',
  joinArguments: ['--site', "a'b"],
  package: checkPackage('https://example.org/swarm-0.1.0-linux-x64.tar.xz', 'a'.repeat(64)),
  embedded: [],
}
const SLURM = {
  nodes: 3,
  partition: 'all',
  time: '1:00',
  secretsFile: '/s',
  installDirectory: '/tmp/%n',
  command: ['x'],
}
const K8S = { nodes: 3, name: 'swarm', image: 'debian:stable-slim', installImage: 'busybox:stable' }

function checkSyntax(script: string): void {
  const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

describe('bootstrap texts', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'swarm-bootstrap-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  function makePackage(): string {
    mkdirSync(join(folder, 'swarm-9'))
    writeFileSync(join(folder, 'swarm-9/swarm'), '#!/bin/sh\nprintf "%s\\n" "$@"\n')
    chmodSync(join(folder, 'swarm-9/swarm'), 0o755)
    const file = join(folder, 'package.tar.xz')
    execFileSync('tar', ['-cJf', file, '-C', folder, 'swarm-9'])
    return file
  }
  const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')
  const installer = (location: string, digest: string): string =>
    `set -eu\n${SAY}${installFunctions({ location, sha256: digest })}swarm_install ${shellWord(join(folder, 'to'))}\n"$SWARM" hello\n`

  it('means exactly the given value, whatever it holds', () => {
    assert.equal(execFileSync('sh', ['-c', `printf %s ${shellWord(HOSTILE)}`], { encoding: 'utf8' }), HOSTILE)
    assert.throws(() => checkPlainText('x', 'a\n#SBATCH --x'), /line break/)
  })

  it('refuses bad addresses, checksums and secrets, with a cure', () => {
    for (const location of ['ftp://x/y', 'relative', 'https://u:p@h/x']) {
      assert.throws(() => checkPackage(location, 'a'.repeat(64)), { code: 'usage' })
    }
    assert.throws(() => checkPackage('https://h/x', 'abc'), { code: 'usage' })
    assert.throws(() => parseSecrets('PATH=/evil\n'), { code: 'usage' })
    assert.deepEqual(parseSecrets('# c\n\nSWARM_TICKET=a b\n'), ['SWARM_TICKET=a b'])
  })

  it('installs a package whose checksum fits, and does not fetch it again', () => {
    const file = makePackage()
    const script = installer(file, sha256(file))
    assert.equal(execFileSync('sh', ['-c', script], { encoding: 'utf8' }), 'hello\n')
    rmSync(file)
    assert.equal(execFileSync('sh', ['-c', script], { encoding: 'utf8' }), 'hello\n')
  })

  it('refuses a package whose checksum does not fit, and leaves nothing', () => {
    const file = makePackage()
    const { status, stderr } = spawnSync('sh', ['-c', installer(file, 'b'.repeat(64))], { encoding: 'utf8' })
    assert.equal(status, 1)
    assert.match(stderr, /nothing was unpacked/)
    assert.deepEqual(readdirSync(join(folder, 'to')), [])
  })

  it('lets several starts at once install it once', async () => {
    const file = makePackage()
    const script = installer(file, sha256(file))
    const all = await Promise.all([1, 2, 3, 4].map(() => run('sh', ['-c', script])))
    assert.deepEqual(
      all.map(({ stdout }) => stdout),
      Array(4).fill('hello\n'),
    )
    assert.equal(all.filter(({ stderr }) => stderr.includes('installed')).length, 1)
  })

  it('takes secrets literally, and only from a file of mode 0600', () => {
    const file = join(folder, 'secrets')
    writeFileSync(file, `SWARM_TICKET=$(touch ${join(folder, 'pwned')})\n`, { mode: 0o600 })
    const script = `${SAY}${secretsFunction()}swarm_secrets ${file}\nprintf %s "$SWARM_TICKET"`
    assert.match(execFileSync('sh', ['-c', script], { encoding: 'utf8' }), /^\$\(touch/)
    assert.ok(!existsSync(join(folder, 'pwned')))
    chmodSync(file, 0o640)
    assert.equal(spawnSync('sh', ['-c', script]).status, 1)
  })

  it('prints sh that sh accepts', () => {
    const slurm = slurmScript({ ...PLAN, directory: `${HOSTILE}%n` }, SLURM)
    checkSyntax(slurm)
    assert.doesNotMatch(slurm, /^export SWARM_/m, 'join reads SWARM_<option>')
    checkSyntax(/<<'SWARM_STEP'[^\n]*\n([\s\S]*?)\nSWARM_STEP\n/.exec(slurm)?.[1] ?? 'fi')
    for (const text of [vastOnstart(PLAN, { image: 'i' }), runpodTemplate(PLAN, { image: 'i' })]) checkSyntax(text)
  })

  it('prints manifests that the schemas of Kubernetes accept', () => {
    const kinds = { Job, DaemonSet, Pod, NetworkPolicy }
    for (const kind of ['job', 'daemonset', 'init'] as const) {
      const documents = parseAllDocuments(kubernetesManifests(PLAN, { ...K8S, kind })).map((document) =>
        document.toJS(),
      )
      assert.equal(documents.length, 2)
      for (const document of documents) {
        const Model = Object.entries(kinds).find(([name]) => name === document.kind)?.[1]
        assert.ok(Model !== undefined)
        new Model(document).validate()
        const pod = document.spec.template?.spec ?? document.spec
        for (const container of [...(pod.initContainers ?? []), ...(pod.containers ?? [])]) {
          if (container.args !== undefined) checkSyntax(container.args[0])
        }
      }
    }
  })

  it('adds what the image of a rented container lacks', () => {
    const file = makePackage()
    const path = join(folder, 'bin')
    mkdirSync(path)
    const place = (name: string): string =>
      spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
    for (const name of 'cp find id ls mkdir mktemp mv rm sha256sum sh tar'.split(' '))
      symlinkSync(place(name), join(path, name))
    const added = `[ "$1" != install ] || ${place('ln')} -s ${place('xz')} ${place('curl')} ${path}`
    writeFileSync(join(path, 'apt-get'), `#!/bin/sh\n${added}\n`, { mode: 0o755 })
    const text = runpodTemplate({ ...PLAN, package: { location: file, sha256: sha256(file) } }, { image: 'i' })
    const here = text.replaceAll('/workspace', folder)
    for (let runs = 0; runs < 2; runs++) {
      const { status, stderr } = spawnSync('/bin/sh', ['-c', here], { env: { PATH: path }, encoding: 'utf8' })
      assert.equal(status, 0, stderr)
      assert.equal(stderr.includes('adding'), runs === 0)
    }
  })

  it('tells how to give vast.ai the text in no more characters than it takes', () => {
    const text = vastOnstart(
      { ...PLAN, embedded: [`SWARM_TICKET=${randomBytes(300).toString('hex')}`] },
      { image: 'i' },
    )
    writeFileSync(join(folder, 'onstart.sh'), text)
    const line = /^# {3}(vastai create instance .*)$/m.exec(text)?.[1]
    assert.ok(line !== undefined)
    const lastWord = 'vastai() { for word; do :; done; printf %s "$word"; }'
    const command = execFileSync('sh', ['-c', `${lastWord}\n${line}`], { cwd: folder, encoding: 'utf8' })
    assert.ok(command.length <= 4048, `${command.length} characters`)
    const unpack = command.replace(/ >\/root.*/, '')
    assert.equal(execFileSync('sh', ['-c', unpack], { encoding: 'utf8' }), text.replace(/^ *#.*\n/gm, ''))
  })

  function manifests(
    kind: 'job' | 'daemonset' | 'init',
    changes: { directory?: string; name?: string } = {},
  ): [NetworkPolicy, Job] {
    const { directory = '/data/model', name = 'swarm' } = changes
    const [policy, workload] = parseAllDocuments(kubernetesManifests({ ...PLAN, directory }, { ...K8S, kind, name }))
    return [new NetworkPolicy(policy?.toJS()), new Job(workload?.toJS())]
  }

  it('lets the port of the swarm be reached from nodes too, and nothing else', () => {
    const ingress = manifests('job')[0].spec?.ingress
    assert.deepEqual(ingress, [{ ports: [{ protocol: 'TCP', port: 4001 }] }])
  })

  it('keeps what a Job or a DaemonSet restores on the node, where <dir> says, for the user that swarm runs as', () => {
    for (const kind of ['job', 'daemonset'] as const) {
      const pod = manifests(kind)[1].spec?.template.spec
      assert.equal(pod?.volumes?.find(({ name }) => name === 'workspace')?.hostPath?.path, '/var/lib/swarm')
      assert.deepEqual(pod?.initContainers?.[0]?.command, ['chown', '10001:10001', '/data'])
      for (const { volumeMounts = [] } of [pod?.initContainers?.[0], pod?.containers[0]].flatMap((each) => each ?? []))
        assert.equal(volumeMounts.find(({ name }) => name === 'workspace')?.mountPath, '/data')
    }
    for (const directory of ['/model', '/tmp/model', '/usr/lib/model', '/da:ta/model']) {
      assert.throws(() => manifests('job', { directory }), { code: 'usage' })
    }
  })

  it('takes a name that YAML would take for a number for text', () => {
    const [policy, job] = manifests('job', { name: '12' })
    assert.deepEqual([policy.metadata?.name, job.spec?.template.metadata?.labels], ['12', { app: '12' }])
  })

  it('prints user-data whose files are what was meant', () => {
    const data = parse(cloudConfig(PLAN))
    for (const file of data.write_files) if (file.content.startsWith('#!')) checkSyntax(file.content)
    assert.deepEqual(data.runcmd[1], ['mkdir', '-p', '--', HOSTILE])
    assert.equal(data.write_files[2].permissions, '0600')
  })

  it('prints user-data that cloud-init accepts', function () {
    this.timeout(60_000)
    const lacks = spawnSync('cloud-init', ['--version']).error === undefined ? undefined : 'has no cloud-init'
    needPart(this, 'cloud-init', lacks)
    const file = join(folder, 'user-data')
    writeFileSync(file, cloudConfig(PLAN))
    execFileSync('cloud-init', ['schema', '--config-file', file])
  })
})
