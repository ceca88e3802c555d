// The hosts of a cluster: what a person may write, and what is refused before anything is dialled.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isSwarmError } from '../../src/base/errors.ts'
import { HOSTS_MAX, parseHosts } from '../../src/bootstrap/hosts-file.ts'

function refused(text: string): string {
  try {
    parseHosts(text, 'hosts')
  } catch (error) {
    assert.ok(isSwarmError(error) && error.code === 'usage')
    assert.notEqual(error.cure, '')
    return error.message
  }
  assert.fail(`accepted ${JSON.stringify(text)}`)
}

describe('a hosts file', () => {
  it('names hosts, users and ports, with comments', () => {
    const text =
      '# rented\n\ngpu-1\nroot@10.0.0.7:40022 # the second\n  [2001:db8::1]:22\nme@2001:db8::2\nalias.of_ssh-config\r\n'
    assert.deepEqual(
      parseHosts(text, 'hosts').map(({ name, destination, port }) => [name, destination, port]),
      [
        ['gpu-1', 'gpu-1', undefined],
        ['root@10.0.0.7:40022', 'root@10.0.0.7', 40_022],
        ['[2001:db8::1]:22', '2001:db8::1', 22],
        ['me@2001:db8::2', 'me@2001:db8::2', undefined],
        ['alias.of_ssh-config', 'alias.of_ssh-config', undefined],
      ],
    )
  })

  for (const line of [
    '-oProxyCommand=x',
    'a b',
    'a;b',
    '$(x)',
    'me@-x',
    'a:0',
    'a:65536',
    'a:b',
    '@a',
    'a@',
    "a'b",
    'a/b',
  ]) {
    it(`refuses ${line} and names the line`, () => {
      assert.match(refused(`good\n${line}\n`), /hosts, line 2/)
    })
  }

  it('refuses a host that stands there twice, no host, and too many', () => {
    assert.match(refused('a\nb\na'), /line 3: a stands there twice/)
    assert.match(refused('# nothing\n'), /names no host/)
    assert.match(refused(Array.from({ length: HOSTS_MAX + 1 }, (_, index) => `h${index}`).join('\n')), /more than/)
  })

  it('never gives ssh a word that begins with a dash or holds anything but a host', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        try {
          for (const { destination } of parseHosts(text, 'hosts'))
            assert.match(destination, /^[A-Za-z0-9._%+][A-Za-z0-9._%+@:-]*$|^[0-9A-Fa-f:.]+$/)
        } catch (error) {
          assert.ok(isSwarmError(error), String(error))
        }
      }),
    )
  })
})
