import assert from 'node:assert/strict'
import fc from 'fast-check'
import { normalForm, pathProblem, printablePath } from '../../src/snapshot/paths.ts'

const problemOf = (text: string): string | undefined => pathProblem(Buffer.from(text, 'latin1'))

describe('paths of a snapshot', () => {
  it('refuses every way out of the destination (M1)', () => {
    const bad = ['../../etc/x', '..', 'a/..', 'a/../../x', '/etc/x', '\\x', '\\\\host\\x', 'C:\\x', 'c:/x', 'a\\..\\b']
    for (const path of [...bad, '..\\x', 'a/..\\b', 'a\0b', '\0', 'a/b\0']) {
      assert.notEqual(problemOf(path), undefined, JSON.stringify(path))
    }
  })

  it('refuses components that are empty or name the directory itself (M1)', () => {
    for (const path of ['', '/', 'a//b', 'a/', '.', './a', 'a/.', 'a/./b']) {
      assert.notEqual(problemOf(path), undefined, JSON.stringify(path))
    }
  })

  it('refuses the state directory at the top and nowhere else', () => {
    for (const path of ['.swarm', '.swarm/x', '.swarm/ready']) assert.match(problemOf(path) ?? '', /belongs to swarm/)
    for (const path of ['.swarmignore', '.swar', 'a/.swarm', 'a/.swarm/x']) assert.equal(problemOf(path), undefined)
  })

  it('takes any other bytes: newline, invalid UTF-8, leading dash, trailing space, backslash (D22)', () => {
    for (const path of [
      'a\nb',
      '\xff\xfe',
      '-rf',
      'a ',
      ' ',
      '...',
      '..a',
      'a..',
      'unit\\x2dname',
      'C:',
      'CC:/x',
      '*',
    ]) {
      assert.equal(problemOf(path), undefined, JSON.stringify(path))
    }
  })

  it('limits names to 255 bytes, paths to 4096 bytes and 512 components (M11, D22)', () => {
    assert.equal(problemOf('n'.repeat(255)), undefined)
    assert.match(problemOf('n'.repeat(256)) ?? '', /255/)
    assert.match(problemOf(`a/${'n'.repeat(256)}/b`) ?? '', /255/)
    assert.equal(problemOf(`${'n'.repeat(254)}/`.repeat(16) + 'n'.repeat(16)), undefined)
    assert.match(problemOf(`${'n'.repeat(254)}/`.repeat(16) + 'n'.repeat(17)) ?? '', /4096/)
    assert.equal(problemOf(Array(512).fill('d').join('/')), undefined)
    assert.match(problemOf(Array(513).fill('d').join('/')) ?? '', /512/)
  })

  it('lets nothing through that resolves outside, whatever the bytes (M1)', () => {
    const byte = fc.constantFrom(0x2e, 0x2f, 0x5c, 0x61, 0x3a, 0x00)
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), (bytes) => {
        if (pathProblem(Uint8Array.from(bytes)) !== undefined) return
        const text = Buffer.from(bytes).toString('latin1')
        assert.ok(!text.startsWith('/') && !text.includes('\0'))
        assert.ok(!text.split(/[/\\]/).includes('..'))
        assert.ok(text.split('/').every((name) => name !== '' && name !== '.'))
      }),
      { numRuns: 2000 },
    )
  })

  it('shows paths without control characters', () => {
    assert.equal(printablePath(Buffer.from('a\nb\x1b[2J\x7fé')), 'a\\x0ab\\x1b[2J\\x7fé')
    assert.equal(printablePath(Buffer.from([0xc2, 0x9b])), '\\x9b')
  })

  it('knows the normal form of a path that is not in it', () => {
    assert.equal(normalForm(Buffer.from('plain/ascii')), undefined)
    assert.equal(normalForm(Buffer.from('caf\u00e9')), undefined)
    assert.equal(normalForm(Buffer.from('cafe\u0301')), 'caf\u00e9')
    assert.equal(normalForm(Buffer.from('\u212a')), 'K')
    assert.equal(normalForm(Buffer.concat([Buffer.from('cafe\u0301'), Buffer.from([0xff])])), undefined)
  })
})
