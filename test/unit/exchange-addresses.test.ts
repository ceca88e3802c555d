// Which addresses are told, believed, dialled and dialled back.

import assert from 'node:assert/strict'
import { multiaddr } from '@multiformats/multiaddr'
import {
  inSameSubnet,
  mayBelieve,
  mayDialBack,
  parseAddress,
  scopeOf,
  sortForDial,
  tcpAddress,
  worthTelling,
} from '../../src/exchange/addresses.ts'

const ID = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const texts = (addresses: readonly { toString(): string }[]) => addresses.map(String)

describe('exchange addresses', () => {
  it('reads plain TCP addresses and nothing else', () => {
    const read = (text: string) => tcpAddress(multiaddr(text))
    assert.deepEqual(read('/ip4/10.0.0.1/tcp/4001'), { host: '10.0.0.1', port: 4001 })
    assert.deepEqual(read(`/ip6/2001:db8::1/tcp/1/p2p/${ID}`), { host: '2001:db8::1', port: 1 })
    assert.deepEqual(read('/ip6/::ffff:10.0.0.1/tcp/1')?.host, '10.0.0.1')
    for (const other of [
      '/ip4/10.0.0.1/udp/4001',
      '/ip4/10.0.0.1/tcp/0',
      '/ip4/10.0.0.1/tcp/80/ws',
      '/dns4/example.org/tcp/1',
      `/ip4/10.0.0.1/tcp/1/p2p/${ID}/p2p-circuit`,
    ]) {
      assert.equal(read(other), undefined, other)
    }
    for (const bad of ['', 'x', '/ip4/1', '/ip4/1.2.3.4/tcp/99999']) {
      const parsed = parseAddress(bad)
      assert.ok(parsed === undefined || tcpAddress(parsed) === undefined, bad)
    }
    assert.equal(parseAddress(Uint8Array.of(1, 2, 3)), undefined)
  })

  it('knows the scopes of addresses', () => {
    const expected = {
      '127.0.0.1': 'loopback',
      '0.0.0.0': 'loopback',
      '::1': 'loopback',
      '169.254.1.1': 'linkLocal',
      'fe80::1': 'linkLocal',
      '10.1.2.3': 'private',
      '172.31.0.1': 'private',
      '172.32.0.1': 'public',
      '192.168.1.1': 'private',
      '100.64.0.1': 'private',
      'fd00::1': 'private',
      '203.0.113.1': 'public',
      '2001:db8::1': 'public',
    }
    for (const [host, scope] of Object.entries(expected)) assert.equal(scopeOf(host), scope, host)
  })

  it('connects back only to the asker itself or to a private neighbour of it (P17)', () => {
    assert.ok(mayDialBack('203.0.113.1', '203.0.113.1'))
    assert.ok(mayDialBack('10.0.0.7', '10.0.0.1'))
    assert.ok(!mayDialBack('10.0.1.7', '10.0.0.1'))
    assert.ok(!mayDialBack('203.0.113.2', '203.0.113.1'))
    assert.ok(!mayDialBack('10.0.0.7', '203.0.113.1'))
    assert.ok(!mayDialBack('127.0.0.1', '10.0.0.1'))
    assert.ok(!mayDialBack('169.254.169.254', '169.254.1.1'))
    assert.ok(inSameSubnet('2001:db8::1', '2001:db8::2'))
    assert.ok(!inSameSubnet('10.0.0.1', '2001:db8::2'))
  })

  it('believes a private address only from the same kind of network (P24)', () => {
    assert.ok(mayBelieve('203.0.113.1', '198.51.100.1'))
    assert.ok(mayBelieve('10.0.0.1', '10.9.9.9'))
    assert.ok(mayBelieve('10.0.0.1', '127.0.0.1'))
    assert.ok(mayBelieve('127.0.0.1', '127.0.0.1'))
    assert.ok(!mayBelieve('10.0.0.1', '203.0.113.1'))
    assert.ok(!mayBelieve('127.0.0.1', '10.0.0.1'))
    assert.ok(!mayBelieve('169.254.169.254', '127.0.0.1'))
  })

  it('tells no loopback address where there is a better one', () => {
    const loopback = multiaddr('/ip4/127.0.0.1/tcp/1')
    const lan = multiaddr('/ip4/10.0.0.1/tcp/1')
    const name = multiaddr('/dns4/node.example.org/tcp/1')
    assert.deepEqual(texts(worthTelling([loopback, lan, name])), texts([lan, name]))
    assert.deepEqual(texts(worthTelling([loopback])), texts([loopback]))
  })

  it('dials own subnets first, then public addresses, names, other private ones, loopback last (P17, P18)', () => {
    const addresses = [
      '/ip4/127.0.0.1/tcp/1',
      '/ip4/192.168.7.7/tcp/1',
      '/dns4/pod.runpod.internal/tcp/1',
      '/ip4/203.0.113.1/tcp/1',
      '/ip4/10.0.0.9/tcp/1',
    ].map((text) => multiaddr(text))
    assert.deepEqual(
      texts(sortForDial(addresses, ['10.0.0.1', '127.0.0.1'])).map((text) => text.split('/')[2]),
      ['10.0.0.9', '203.0.113.1', 'pod.runpod.internal', '192.168.7.7', '127.0.0.1'],
    )
  })
})
