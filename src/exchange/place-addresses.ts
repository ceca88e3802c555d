// Where this machine is rented or owned, told by its environment, and what that means for where to listen and which
// addresses others may reach: pure rules. What a person asked for is never changed, and what is derived here counts as
// reachable only after a dial-back.

import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { hashBytes } from '../base/hash.ts'
import { hostOf, parseAddress, scopeOf, tcpAddress } from './addresses.ts'

export type Place = 'vast' | 'runpod' | 'slurm' | 'kubernetes' | 'plain'

export type Environment = Readonly<Record<string, string | undefined>>

/** As `os.networkInterfaces()` has them. */
export type Interfaces = Readonly<
  Record<string, readonly { readonly address: string; readonly internal: boolean }[] | undefined>
>

/** What a person asked for. */
export interface AskedAddresses {
  /** Multiaddrs; empty: this node only dials. */
  readonly listen: readonly string[]
  /** Whether nobody asked for `listen`. */
  readonly listenIsDefault: boolean
  /** Multiaddrs that the person vouches for; where there are any, none is derived. */
  readonly announce: readonly string[]
  /** Empty: none. */
  readonly site: string
}

export interface PlacedAddresses {
  readonly place: Place
  readonly listen: readonly string[]
  /** Whether another port will do when it is taken: not where a mapping leads to this one, nor where a person chose it. */
  readonly mayMovePort: boolean
  /** Multiaddrs to tell besides those that are listened on, best first; not vouched for by anybody. */
  readonly announce: readonly string[]
  /** The port under which the outside reaches this node, whatever its address there. */
  readonly mappedPort: number | undefined
  /** Addresses of this machine that mean something else on others, or that a person's choice of interface leaves out. */
  readonly untoldHosts: readonly string[]
  /** What was asked for, or the group of machines that the place puts this one in; empty: none. */
  readonly site: string
  /** Nobody outside can dial this node. */
  readonly outboundOnly: boolean
  /** Which port mapping would change that; empty unless `outboundOnly`. */
  readonly cure: string
  /** One line for each variable that is ignored, by its name; values are not repeated. */
  readonly warnings: readonly string[]
}

const NAMES: ReadonlySet<string> = new Set([
  'VAST_CONTAINERLABEL',
  'CONTAINER_ID',
  'PUBLIC_IPADDR',
  'RUNPOD_POD_ID',
  'RUNPOD_PUBLIC_IP',
  'RUNPOD_DC_ID',
  'SLURM_JOB_ID',
  'SLURM_CLUSTER_NAME',
  'KUBERNETES_SERVICE_HOST',
  'POD_IP',
  'HOST_IP',
  'SWARM_HOST_PORT',
  'SWARM_IFACE',
  'SWARM_SUBNET',
])
const PORT_NAME = /^(VAST|RUNPOD)_TCP_PORT_(\d{1,5})$/
/** From this name on a variable's port is the same inside and outside of the container. */
const IDENTITY_PORTS_FROM = 70_000

/** Interfaces of containers and virtual machines on this host: their addresses are the same on every such host. */
const BRIDGE = /^(docker\d|br-[0-9a-f]|virbr|cni|cbr\d|flannel|cilium|cali|veth|podman|lxc|lxdbr|kube-|nodelocaldns)/

/** Multicast, broadcast and reserved ones: no machine has them. */
const NO_MACHINE = new BlockList()
NO_MACHINE.addSubnet('224.0.0.0', 3, 'ipv4')
NO_MACHINE.addSubnet('ff00::', 8, 'ipv6')

/** Whether a variable is one of those that are looked at here. */
export function isPlaceVariable(name: string): boolean {
  return NAMES.has(name) || PORT_NAME.test(name)
}

/** The variables of this process, and those of `launch` that it lacks or that are empty; known names only. */
export function mergeEnvironments(own: Environment, launch: Environment): Environment {
  const merged: Record<string, string> = {}
  for (const environment of [launch, own]) {
    for (const [name, value] of Object.entries(environment)) {
      if (isPlaceVariable(name) && value !== undefined && value.trim() !== '') merged[name] = value.trim()
    }
  }
  return merged
}

/** `environment` is what `mergeEnvironments` gives. Never throws; what cannot be used is ignored with a warning. */
export function placeAddresses(
  environment: Environment,
  interfaces: Interfaces,
  asked: AskedAddresses,
): PlacedAddresses {
  const reader = new VariableReader(environment)
  const place = findPlace(environment)
  const mapping = PLACES[place](reader, asked, interfaces)
  const derives = asked.announce.length === 0
  const outboundOnly = derives && mapping.cure !== '' && asked.listen.some(isSeenByOthers)
  return {
    place,
    listen: mapping.listen ?? asked.listen,
    mayMovePort: asked.listenIsDefault && !mapping.isFixed,
    announce: derives ? mapping.announce : [],
    mappedPort: derives ? mapping.mappedPort : undefined,
    untoldHosts: asked.listenIsDefault ? untold(reader, interfaces) : [],
    site: asked.site === '' ? mapping.site : asked.site,
    outboundOnly,
    cure: outboundOnly ? mapping.cure : '',
    warnings: reader.warnings,
  }
}

/** What one kind of place says. */
interface Mapping {
  /** Undefined: as asked. */
  readonly listen?: readonly string[]
  /** Whether the port that is listened on must be that one. */
  readonly isFixed: boolean
  readonly announce: readonly string[]
  readonly mappedPort?: number
  readonly site: string
  /** Not empty: nobody outside can dial, unless this is done. */
  readonly cure: string
}

type ReadPlace = (reader: VariableReader, asked: AskedAddresses, interfaces: Interfaces) => Mapping

const PLACES: Readonly<Record<Place, ReadPlace>> = {
  vast: (reader, asked) => {
    const host = reader.publicHost('PUBLIC_IPADDR')
    const mapping = readMapping(reader, asked, 'VAST_TCP_PORT_', 'PUBLIC_IPADDR', host)
    return {
      ...mapping,
      // Machines behind one address are in one building, and traffic between them is free.
      site: host === undefined ? '' : `vast-${hashBytes(Buffer.from(host)).toString('hex').slice(0, 12)}`,
      cure: mapping.isFixed
        ? ''
        : 'create the instance with -p 4001:4001 among its docker options, or with -p 70000:70000, which gives a port that is the same inside and outside',
    }
  },
  runpod: (reader, asked) => {
    const host = reader.publicHost('RUNPOD_PUBLIC_IP')
    const mapping = readMapping(reader, asked, 'RUNPOD_TCP_PORT_', 'RUNPOD_PUBLIC_IP', host)
    const pod = reader.word('RUNPOD_POD_ID', /^[a-z0-9][a-z0-9-]{0,62}$/)
    const centre = reader.word('RUNPOD_DC_ID', /^[A-Za-z0-9._-]{1,40}$/)
    const port = portsOf(mapping.listen ?? asked.listen)[0]
    // 100 Mbit/s, and only between pods of one account: worth a try when nothing else leads here. A port that moved would
    // make it wrong.
    const internal =
      pod === undefined || port === undefined || (asked.listenIsDefault && !mapping.isFixed)
        ? []
        : [`/dns4/${pod}.runpod.internal/tcp/${port}`]
    return {
      ...mapping,
      announce: [...mapping.announce, ...internal],
      site: centre === undefined ? '' : `runpod-${centre}`,
      cure: mapping.isFixed
        ? ''
        : 'add TCP port 70000 to the exposed ports of the pod, which gives one that is the same inside and outside, or 4001; the pod needs a public IP',
    }
  },
  slurm: (reader) => {
    const cluster = reader.word('SLURM_CLUSTER_NAME', /^[A-Za-z0-9._-]{1,40}$/)
    return { isFixed: false, announce: [], site: cluster === undefined ? '' : `slurm-${cluster}`, cure: '' }
  },
  kubernetes: (reader, asked, interfaces) => {
    const port = portsOf(asked.listen)[0]
    const pod = reader.host('POD_IP')
    const hostPort = reader.port('SWARM_HOST_PORT')
    const host = hostPort === undefined ? undefined : reader.host('HOST_IP')
    if (hostPort !== undefined && !reader.has('HOST_IP')) {
      reader.warn('SWARM_HOST_PORT is set and HOST_IP is not: the address of the host is not announced')
    }
    if (port === undefined) return { isFixed: false, announce: [], site: '', cure: '' }
    const own = Object.values(interfaces).flatMap((addresses) => addresses?.map(({ address }) => address) ?? [])
    // One that is an interface's is told anyway, and with the port that was free.
    const isElsewhere = pod !== undefined && !own.includes(pod)
    const announce = [
      ...(isElsewhere ? [tcpMultiaddr(pod, port)] : []),
      ...(host === undefined || hostPort === undefined ? [] : [tcpMultiaddr(host, hostPort)]),
    ]
    return { isFixed: announce.length > 0, announce, site: '', cure: '' }
  },
  plain: () => ({ isFixed: false, announce: [], site: '', cure: '' }),
}

function findPlace(environment: Environment): Place {
  const has = (name: string): boolean => environment[name] !== undefined
  // The second name is not vast.ai's alone, but a whole number in it is.
  if (has('VAST_CONTAINERLABEL') || /^\d+$/.test(environment['CONTAINER_ID'] ?? '')) return 'vast'
  if (has('RUNPOD_POD_ID')) return 'runpod'
  if (has('SLURM_JOB_ID')) return 'slurm'
  return has('KUBERNETES_SERVICE_HOST') || has('POD_IP') ? 'kubernetes' : 'plain'
}

/** One public address for many containers, each with ports of its own there. */
function readMapping(
  reader: VariableReader,
  asked: AskedAddresses,
  prefix: string,
  hostName: string,
  host: string | undefined,
): Pick<Mapping, 'isFixed' | 'announce'> & { listen?: readonly string[]; mappedPort?: number } {
  const found = findPort(reader, asked, prefix)
  if (found === undefined) return { isFixed: false, announce: [] }
  if (!reader.has(hostName)) {
    reader.warn(`${hostName} is not set: no public address is announced before a peer has seen one`)
  }
  const listen = asked.listenIsDefault ? { listen: [tcpMultiaddr('0.0.0.0', found.inside)] } : {}
  const announce = host === undefined ? [] : [tcpMultiaddr(host, found.outside)]
  return { isFixed: true, announce, mappedPort: found.outside, ...listen }
}

function findPort(
  reader: VariableReader,
  asked: AskedAddresses,
  prefix: string,
): { inside: number; outside: number } | undefined {
  const identities = reader.numbers(prefix).filter((number) => number >= IDENTITY_PORTS_FROM)
  const same = identities.flatMap((number) => reader.port(`${prefix}${number}`) ?? [])
  const ports = portsOf(asked.listen)
  const [identity] = asked.listenIsDefault ? same : same.filter((port) => ports.includes(port))
  if (identity !== undefined) return { inside: identity, outside: identity }
  for (const inside of ports) {
    const outside = reader.port(`${prefix}${inside}`)
    if (outside !== undefined) return { inside, outside }
  }
  return undefined
}

/** Bridges, and where a person names an interface or a subnet all addresses but those there. */
function untold(reader: VariableReader, interfaces: Interfaces): string[] {
  const all = Object.entries(interfaces).flatMap(([name, addresses]) =>
    (addresses ?? []).map(({ address, internal }) => ({ name, address, internal })),
  )
  const subnet = reader.subnet('SWARM_SUBNET')
  const name = reader.word('SWARM_IFACE', /^[^\s/]{1,15}$/)
  if (name !== undefined || subnet !== undefined) {
    const chosen = all.filter(
      (each) => (name === undefined || each.name === name) && (subnet === undefined || contains(subnet, each.address)),
    )
    // What nobody asked for listens on IPv4 alone. An interface that is up has an IPv6 address before it has one of those.
    if (chosen.some(({ address }) => isIPv4(address))) {
      return all.filter((each) => !chosen.includes(each)).map(({ address }) => address)
    }
    const names = [name === undefined ? [] : 'SWARM_IFACE', subnet === undefined ? [] : 'SWARM_SUBNET'].flat()
    reader.warn(`no IPv4 address of this machine fits ${names.join(' and ')}, which is ignored`)
  }
  const bridges = all.filter((each) => BRIDGE.test(each.name))
  const others = all.filter(
    (each) => !each.internal && !BRIDGE.test(each.name) && scopeOf(each.address) !== 'linkLocal',
  )
  return others.length === 0 ? [] : bridges.map(({ address }) => address)
}

/** Reads variables that must have a certain form, and remembers which did not. */
class VariableReader {
  readonly #environment: Environment
  readonly #warnings = new Set<string>()

  constructor(environment: Environment) {
    this.#environment = environment
  }

  get warnings(): string[] {
    return [...this.#warnings]
  }

  has(name: string): boolean {
    return this.#environment[name] !== undefined
  }

  warn(text: string): void {
    this.#warnings.add(text)
  }

  /** An IP address at which another machine could reach something. */
  host(name: string): string | undefined {
    const fits = (value: string): boolean => isMachine(value) && ['private', 'public'].includes(scopeOf(value))
    return this.#read(name, fits, 'an IP address of a machine')
  }

  /** One that means the same everywhere. A private one leads elsewhere in other buildings, which would count as one site with it. */
  publicHost(name: string): string | undefined {
    const fits = (value: string): boolean => isMachine(value) && scopeOf(value) === 'public'
    return this.#read(name, fits, 'an IP address of the public internet')
  }

  port(name: string): number | undefined {
    const fits = (value: string): boolean => /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535
    const value = this.#read(name, fits, 'a port from 1 to 65535')
    return value === undefined ? undefined : Number(value)
  }

  word(name: string, pattern: RegExp): string | undefined {
    return this.#read(name, (value) => pattern.test(value), 'a name of the expected form')
  }

  subnet(name: string): BlockList | undefined {
    const value = this.#read(name, (text) => parseSubnet(text) !== undefined, 'a subnet such as 10.1.0.0/16')
    return value === undefined ? undefined : parseSubnet(value)
  }

  /** The numbers that follow `prefix` in names that are there, ascending. */
  numbers(prefix: string): number[] {
    const names = Object.keys(this.#environment).filter((name) => name.startsWith(prefix))
    return names.map((name) => Number(name.slice(prefix.length))).sort((left, right) => left - right)
  }

  #read(name: string, fits: (value: string) => boolean, what: string): string | undefined {
    const value = this.#environment[name]
    if (value === undefined || fits(value)) return value
    this.warn(`${name} is not ${what} and is ignored`)
    return undefined
  }
}

/** An IP address of one machine, whatever its scope. A zone (`%eth0`) names an interface of this machine and means nothing to others. */
function isMachine(text: string): boolean {
  const family = isIP(text)
  return family !== 0 && !text.includes('%') && !NO_MACHINE.check(text, family === 4 ? 'ipv4' : 'ipv6')
}

function parseSubnet(text: string): BlockList | undefined {
  const [, network = '', prefix = ''] = /^([0-9A-Fa-f.:]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? []
  const family = isIP(network)
  if (family === 0 || prefix === '' || Number(prefix) > (family === 4 ? 32 : 128)) return undefined
  const list = new BlockList()
  list.addSubnet(network, Number(prefix), family === 4 ? 'ipv4' : 'ipv6')
  return list
}

function contains(subnet: BlockList, host: string): boolean {
  return subnet.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

/** Those that more than this machine can reach: a mapping to another one leads nowhere. */
function portsOf(addresses: readonly string[]): number[] {
  return addresses.filter(isSeenByOthers).flatMap((text) => {
    const parsed = parseAddress(text)
    return (parsed === undefined ? undefined : tcpAddress(parsed)?.port) ?? []
  })
}

/** Whether an address to listen on is more than this machine's own. */
function isSeenByOthers(text: string): boolean {
  const parsed = parseAddress(text)
  const host = parsed === undefined ? undefined : hostOf(parsed)
  return host === undefined || ['0.0.0.0', '::'].includes(host) || scopeOf(host) !== 'loopback'
}

function tcpMultiaddr(host: string, port: number): string {
  return `/${isIPv6(host) ? 'ip6' : 'ip4'}/${host}/tcp/${port}`
}
