// Recorded environments of rented and owned machines: what is listened on, what is announced, what is warned of.

import assert from 'node:assert/strict'
import { parseAddress } from '../../src/exchange/addresses.ts'
import {
  type AskedAddresses,
  type Environment,
  type Interfaces,
  mergeEnvironments,
  type PlacedAddresses,
  placeAddresses,
} from '../../src/exchange/place-addresses.ts'

const DEFAULT = '/ip4/0.0.0.0/tcp/4001'
const NOBODY_ASKED: AskedAddresses = { listen: [DEFAULT], listenIsDefault: true, announce: [], site: '' }
const LOOPBACK = [{ address: '127.0.0.1', internal: true }]
const CONTAINER: Interfaces = { lo: LOOPBACK, eth0: [{ address: '172.17.0.3', internal: false }] }
const POD: Interfaces = { lo: LOOPBACK, eth0: [{ address: '10.244.1.17', internal: false }] }
const COMPUTE_NODE: Interfaces = {
  lo: LOOPBACK,
  eno1: [{ address: '10.0.3.21', internal: false }],
  ib0: [{ address: '10.128.3.21', internal: false }],
}
const VM: Interfaces = {
  lo: LOOPBACK,
  ens5: [{ address: '172.31.4.9', internal: false }],
  docker0: [{ address: '172.17.0.1', internal: false }],
  'br-5f3a1c90b2de': [{ address: '172.18.0.1', internal: false }],
}

const VAST = {
  CONTAINER_ID: '24180553',
  VAST_CONTAINERLABEL: 'C.24180553',
  PUBLIC_IPADDR: '203.0.113.52',
  VAST_TCP_PORT_22: '41822',
  GPU_COUNT: '4',
}
const RUNPOD = {
  RUNPOD_POD_ID: 'w4k2fz0b9x1mqe',
  RUNPOD_DC_ID: 'US-KS-2',
  RUNPOD_PUBLIC_IP: '198.51.100.77',
  RUNPOD_TCP_PORT_22: '10341',
}
const KUBERNETES = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443', POD_IP: '10.244.1.17' }
const SLURM = {
  SLURM_JOB_ID: '881204',
  SLURM_JOB_NODELIST: 'gpu[021-036]',
  SLURMD_NODENAME: 'gpu021',
  SLURM_CLUSTER_NAME: 'hal',
}

interface Row {
  readonly name: string
  readonly environment: Environment
  readonly interfaces: Interfaces
  readonly asked?: Partial<AskedAddresses>
  readonly expected: Partial<PlacedAddresses>
  /** Default: none. */
  readonly warnings?: readonly RegExp[]
  readonly cure?: RegExp
}

const ROWS: readonly Row[] = [
  {
    name: 'vast.ai with an identity port listens on that very port',
    environment: { ...VAST, VAST_TCP_PORT_70000: '41907', VAST_TCP_PORT_4001: '41850' },
    interfaces: CONTAINER,
    expected: {
      place: 'vast',
      listen: ['/ip4/0.0.0.0/tcp/41907'],
      announce: ['/ip4/203.0.113.52/tcp/41907'],
      mappedPort: 41_907,
      mayMovePort: false,
      site: 'vast-740f9ed2a16f',
    },
  },
  {
    name: 'vast.ai with a mapped port announces the port outside',
    environment: { ...VAST, VAST_TCP_PORT_4001: '41850' },
    interfaces: CONTAINER,
    expected: {
      listen: [DEFAULT],
      announce: ['/ip4/203.0.113.52/tcp/41850'],
      mappedPort: 41_850,
      mayMovePort: false,
    },
  },
  {
    name: 'vast.ai without a mapping of ours only dials out, and says what to add',
    environment: VAST,
    interfaces: CONTAINER,
    expected: { listen: [DEFAULT], announce: [], mappedPort: undefined, mayMovePort: true, outboundOnly: true },
    cure: /-p 4001:4001/,
  },
  {
    name: 'vast.ai with an empty, a wrong and a too large port ignores them (B3)',
    environment: {
      ...VAST,
      VAST_TCP_PORT_70000: '0',
      VAST_TCP_PORT_70001: '41907; reboot',
      VAST_TCP_PORT_4001: '70000',
      VAST_TCP_PORT_70002: '',
    },
    interfaces: CONTAINER,
    expected: { listen: [DEFAULT], announce: [], outboundOnly: true },
    warnings: [/^VAST_TCP_PORT_70000 is not a port/, /^VAST_TCP_PORT_70001 is not/, /^VAST_TCP_PORT_4001 is not/],
    cure: /-p 70000:70000/,
  },
  {
    name: 'vast.ai with a wrong public address still listens on the mapped port, for a peer to see the address (B3)',
    environment: { ...VAST, PUBLIC_IPADDR: 'ssh4.vast.ai', VAST_TCP_PORT_4001: '41850' },
    interfaces: CONTAINER,
    expected: {
      listen: [DEFAULT],
      announce: [],
      mappedPort: 41_850,
      mayMovePort: false,
      site: '',
      outboundOnly: false,
    },
    warnings: [/^PUBLIC_IPADDR is not an IP address/],
  },
  {
    name: 'vast.ai without a public address says so',
    environment: { CONTAINER_ID: '24180553', VAST_TCP_PORT_4001: '41850', PUBLIC_IPADDR: ' ' },
    interfaces: CONTAINER,
    expected: { place: 'vast', announce: [], mappedPort: 41_850 },
    warnings: [/^PUBLIC_IPADDR is not set/],
  },
  {
    name: 'vast.ai: an address that means this machine is no public one',
    environment: { ...VAST, PUBLIC_IPADDR: '0.0.0.0', VAST_TCP_PORT_4001: '41850' },
    interfaces: CONTAINER,
    expected: { announce: [] },
    warnings: [/^PUBLIC_IPADDR/],
  },
  {
    name: 'vast.ai: --listen wins, and the mapping of its port is announced',
    environment: { ...VAST, VAST_TCP_PORT_70000: '41907', VAST_TCP_PORT_5000: '41851' },
    interfaces: CONTAINER,
    asked: { listen: ['/ip4/0.0.0.0/tcp/5000'], listenIsDefault: false },
    expected: {
      listen: ['/ip4/0.0.0.0/tcp/5000'],
      announce: ['/ip4/203.0.113.52/tcp/41851'],
      mayMovePort: false,
    },
  },
  {
    name: 'vast.ai: --announce and --site win, and nobody is told that it only dials out',
    environment: VAST,
    interfaces: CONTAINER,
    asked: { announce: ['/ip4/203.0.113.52/tcp/9'], site: 'mine' },
    expected: { announce: [], mappedPort: undefined, site: 'mine', outboundOnly: false },
  },
  {
    name: 'vast.ai: who listens for this machine only is not told of mappings',
    environment: VAST,
    interfaces: CONTAINER,
    asked: { listen: ['/ip4/127.0.0.1/tcp/0'], listenIsDefault: false },
    expected: { listen: ['/ip4/127.0.0.1/tcp/0'], announce: [], outboundOnly: false, untoldHosts: [] },
  },
  {
    name: 'vast.ai: a port that only this machine can reach is not announced, whatever is mapped to it',
    environment: { ...VAST, VAST_TCP_PORT_4001: '41850', VAST_TCP_PORT_70000: '4001' },
    interfaces: CONTAINER,
    asked: { listen: ['/ip4/127.0.0.1/tcp/4001'], listenIsDefault: false },
    expected: { announce: [], mappedPort: undefined, outboundOnly: false },
  },
  {
    name: 'RunPod: of two ports the one that others can reach is announced',
    environment: { ...RUNPOD, RUNPOD_TCP_PORT_4001: '10342', RUNPOD_TCP_PORT_5000: '10343' },
    interfaces: CONTAINER,
    asked: { listen: ['/ip4/127.0.0.1/tcp/4001', '/ip4/0.0.0.0/tcp/5000'], listenIsDefault: false },
    expected: {
      announce: ['/ip4/198.51.100.77/tcp/10343', '/dns4/w4k2fz0b9x1mqe.runpod.internal/tcp/5000'],
      mappedPort: 10_343,
    },
  },
  {
    name: 'Kubernetes: a port that only the pod can reach is not announced',
    environment: { ...KUBERNETES, POD_IP: '10.244.9.9', HOST_IP: '192.168.10.5', SWARM_HOST_PORT: '31001' },
    interfaces: POD,
    asked: { listen: ['/ip4/127.0.0.1/tcp/4001'], listenIsDefault: false },
    expected: { announce: [] },
  },
  {
    name: 'a CONTAINER_ID that is no number is not vast.ai',
    environment: { CONTAINER_ID: '8f2c9e' },
    interfaces: CONTAINER,
    expected: { place: 'plain', listen: [DEFAULT], announce: [] },
  },
  {
    name: 'RunPod with a symmetrical port; its internal name comes last',
    environment: { ...RUNPOD, RUNPOD_TCP_PORT_70000: '13377' },
    interfaces: CONTAINER,
    expected: {
      place: 'runpod',
      listen: ['/ip4/0.0.0.0/tcp/13377'],
      announce: ['/ip4/198.51.100.77/tcp/13377', '/dns4/w4k2fz0b9x1mqe.runpod.internal/tcp/13377'],
      mappedPort: 13_377,
      mayMovePort: false,
      site: 'runpod-US-KS-2',
    },
  },
  {
    name: 'RunPod with a mapped port',
    environment: { ...RUNPOD, RUNPOD_TCP_PORT_4001: '10342' },
    interfaces: CONTAINER,
    expected: {
      listen: [DEFAULT],
      announce: ['/ip4/198.51.100.77/tcp/10342', '/dns4/w4k2fz0b9x1mqe.runpod.internal/tcp/4001'],
      mappedPort: 10_342,
    },
  },
  {
    name: 'RunPod without an exposed port only dials out',
    environment: RUNPOD,
    interfaces: CONTAINER,
    expected: { listen: [DEFAULT], announce: [], outboundOnly: true, mayMovePort: true },
    cure: /TCP port 70000/,
  },
  {
    name: 'RunPod with words for names and addresses takes none of them into an address (B3)',
    environment: {
      RUNPOD_POD_ID: 'a/b c',
      RUNPOD_DC_ID: '../x',
      RUNPOD_PUBLIC_IP: '198.51.100.256',
      RUNPOD_TCP_PORT_4001: '10342',
    },
    interfaces: CONTAINER,
    expected: { place: 'runpod', announce: [], site: '', mappedPort: 10_342 },
    warnings: [/^RUNPOD_PUBLIC_IP/, /^RUNPOD_POD_ID/, /^RUNPOD_DC_ID/],
  },
  {
    name: 'Kubernetes: the address of the pod is that of its interface, and the port may move',
    environment: { ...KUBERNETES, HOST_IP: '192.168.10.5' },
    interfaces: POD,
    expected: { place: 'kubernetes', listen: [DEFAULT], announce: [], mayMovePort: true, site: '' },
  },
  {
    name: 'Kubernetes: an address of the pod that no interface has is announced',
    environment: { ...KUBERNETES, POD_IP: 'fd00:10:244::11' },
    interfaces: POD,
    expected: { announce: ['/ip6/fd00:10:244::11/tcp/4001'], mayMovePort: false },
  },
  {
    name: 'Kubernetes with a port of the host announces it',
    environment: { ...KUBERNETES, HOST_IP: '192.168.10.5', SWARM_HOST_PORT: '31001' },
    interfaces: POD,
    expected: { listen: [DEFAULT], announce: ['/ip4/192.168.10.5/tcp/31001'], mayMovePort: false },
  },
  {
    name: 'Kubernetes with a reference that was never filled in ignores it (B3)',
    environment: { ...KUBERNETES, POD_IP: '$(POD_IP)', SWARM_HOST_PORT: 'http' },
    interfaces: POD,
    expected: { listen: [DEFAULT], announce: [], mayMovePort: true },
    warnings: [/^POD_IP is not an IP address/, /^SWARM_HOST_PORT is not a port/],
  },
  {
    name: 'Kubernetes with a port of the host and no address of it says so',
    environment: { ...KUBERNETES, SWARM_HOST_PORT: '31001' },
    interfaces: POD,
    expected: { announce: [] },
    warnings: [/HOST_IP is not/],
  },
  {
    name: 'Slurm tells all interfaces unless one is named',
    environment: SLURM,
    interfaces: COMPUTE_NODE,
    expected: {
      place: 'slurm',
      listen: [DEFAULT],
      announce: [],
      untoldHosts: [],
      site: 'slurm-hal',
      mayMovePort: true,
    },
  },
  {
    name: 'Slurm with SWARM_IFACE tells that interface only',
    environment: { ...SLURM, SWARM_IFACE: 'ib0' },
    interfaces: COMPUTE_NODE,
    expected: { untoldHosts: ['127.0.0.1', '10.0.3.21'] },
  },
  {
    name: 'Slurm with SWARM_SUBNET tells the interface in it only',
    environment: { ...SLURM, SWARM_SUBNET: '10.128.0.0/16' },
    interfaces: COMPUTE_NODE,
    expected: { untoldHosts: ['127.0.0.1', '10.0.3.21'] },
  },
  {
    name: 'an interface that is not there, a subnet that is none: both ignored',
    environment: { ...SLURM, SWARM_IFACE: 'ib7', SWARM_SUBNET: '10.128.0.0/33' },
    interfaces: COMPUTE_NODE,
    expected: { untoldHosts: [] },
    warnings: [/^SWARM_SUBNET is not a subnet/, /fits SWARM_IFACE, which is ignored/],
  },
  {
    name: 'an interface without an IPv4 address, where nothing listens, is ignored: else nothing at all would be told',
    environment: { ...SLURM, SWARM_IFACE: 'ib1' },
    interfaces: { ...COMPUTE_NODE, ib1: [{ address: 'fe80::5:21', internal: false }] },
    expected: { untoldHosts: [] },
    warnings: [/^no IPv4 address of this machine fits SWARM_IFACE, which is ignored/],
  },
  {
    name: 'a plain machine keeps the bridges of its containers to itself',
    environment: { HOSTNAME: 'ip-172-31-4-9', PUBLIC_IPADDR: '203.0.113.1' },
    interfaces: VM,
    expected: {
      place: 'plain',
      listen: [DEFAULT],
      announce: [],
      mappedPort: undefined,
      untoldHosts: ['172.17.0.1', '172.18.0.1'],
      site: '',
      outboundOnly: false,
      mayMovePort: true,
    },
  },
  {
    name: 'a machine with bridges and nothing else tells them',
    environment: {},
    interfaces: { lo: LOOPBACK, docker0: [{ address: '172.17.0.1', internal: false }] },
    expected: { untoldHosts: [] },
  },
]

describe('addresses by place', () => {
  for (const { name, environment, interfaces, asked, expected, warnings = [], cure } of ROWS) {
    it(name, () => {
      const placed = placeAddresses(mergeEnvironments(environment, {}), interfaces, { ...NOBODY_ASKED, ...asked })
      assert.deepEqual({ ...placed, ...expected }, placed)
      assert.equal(placed.warnings.length, warnings.length, placed.warnings.join('; '))
      for (const warning of warnings)
        assert.ok(
          placed.warnings.some((text) => warning.test(text)),
          String(warning),
        )
      if (cure === undefined) assert.equal(placed.cure, '')
      else assert.match(placed.cure, cure)
      for (const address of [...placed.listen, ...placed.announce]) assert.ok(parseAddress(address), address)
      // A value that is no address may be anything, a secret included.
      for (const warning of placed.warnings) assert.doesNotMatch(warning, /reboot|ssh4|\.\.\/x|\$\(/)
    })
  }

  it('only the address of one machine on the public internet counts as one outside (B3)', () => {
    const place = (address: string, names: Environment): PlacedAddresses =>
      placeAddresses(mergeEnvironments({ ...names, PUBLIC_IPADDR: address }, {}), CONTAINER, NOBODY_ASKED)
    const names = { VAST_CONTAINERLABEL: 'C.24180553', VAST_TCP_PORT_4001: '41850' }
    const zoned = ['2001:db8::1%eth0', 'fe80::1%eth0', 'fe80::1']
    const groups = ['255.255.255.255', '224.0.0.5', '240.0.0.1', 'ff02::1', 'ff0e::1']
    const inside = ['192.168.1.5', '10.0.0.1', '100.65.0.119', 'fd00::1', '::ffff:10.0.0.1', '127.0.0.1', '::1', '::']
    const words = ['203.0.113.04', '0xcb.0.113.4', '203.0.113', '127.1', '203.0.113.4,203.0.113.5', '203.0.113.4/32']
    for (const address of [...zoned, ...groups, ...inside, ...words]) {
      const { announce, site, warnings, mappedPort } = place(address, names)
      assert.deepEqual([announce, site, mappedPort], [[], '', 41_850], address)
      assert.match(warnings.join(), /^PUBLIC_IPADDR is not an IP address of the public internet and is ignored$/)
    }
    assert.deepEqual(place(' 2001:db8::1\n', names).announce, ['/ip6/2001:db8::1/tcp/41850'])
  })

  it('only a plain number is a port, only a plain prefix makes a subnet (B3)', () => {
    const place = (names: Environment): PlacedAddresses =>
      placeAddresses(mergeEnvironments(names, {}), COMPUTE_NODE, NOBODY_ASKED)
    for (const port of ['04001', '00001', '0', '0x1f', '1e3', '+80', '80.0', '65536', '41850/tcp', '41 850', '٤١']) {
      const { announce, mappedPort, warnings } = place({ ...VAST, VAST_TCP_PORT_4001: port })
      assert.deepEqual([announce, mappedPort], [[], undefined], port)
      assert.match(warnings.join(), /^VAST_TCP_PORT_4001 is not a port/)
    }
    for (const subnet of ['10.128.0.0/016', '10.128/16', '10.128.0.0', 'fe80::1%1/10', '10.128.0.0/16,10.0.0.0/8']) {
      const { untoldHosts, warnings } = place({ SWARM_SUBNET: subnet })
      assert.deepEqual([untoldHosts, warnings.length], [[], 1], subnet)
    }
  })

  it('Kubernetes: a private address of the host is told, a group’s is not', () => {
    const place = (host: string): PlacedAddresses =>
      placeAddresses({ ...KUBERNETES, HOST_IP: host, SWARM_HOST_PORT: '4001' }, POD, NOBODY_ASKED)
    assert.deepEqual(place('10.3.0.9').announce, ['/ip4/10.3.0.9/tcp/4001'])
    for (const host of ['239.1.1.1', 'fe80::9%eth0', '2001:db8::9%1']) {
      assert.deepEqual(place(host).announce, [], host)
      assert.match(place(host).warnings.join(), /^HOST_IP is not an IP address of a machine/)
    }
  })

  it('what the process lacks is taken from the launch, and nothing that is not looked at (B5)', () => {
    const launch = { PUBLIC_IPADDR: '203.0.113.52', VAST_TCP_PORT_4001: '41850', VAST_API_KEY: 'secret', PATH: '/bin' }
    const merged = mergeEnvironments({ VAST_TCP_PORT_4001: '1', PUBLIC_IPADDR: '', HOME: '/root' }, launch)
    assert.deepEqual(merged, { VAST_TCP_PORT_4001: '1', PUBLIC_IPADDR: '203.0.113.52' })
  })
})
