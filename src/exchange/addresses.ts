// What an address is worth: which ones may be told, believed, dialled or dialled back. Pure rules over multiaddrs.

import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/** Plain TCP at an IP address: the only kind of address that this version dials on a peer's word. */
export interface TcpAddress {
  readonly host: string
  readonly port: number
}

export type Scope = 'loopback' | 'linkLocal' | 'private' | 'public'

/** Reads a multiaddr from text or its binary form; undefined when it is not one. */
export function parseAddress(address: string | Uint8Array): Multiaddr | undefined {
  try {
    return multiaddr(address)
  } catch {
    return undefined
  }
}

/** The host and port of `/ip4|ip6/<host>/tcp/<port>`, with or without a peer id; undefined for any other shape. */
export function tcpAddress(address: Multiaddr): TcpAddress | undefined {
  const [ip, tcp, ...rest] = address.getComponents()
  if (ip === undefined || (ip.name !== 'ip4' && ip.name !== 'ip6') || tcp?.name !== 'tcp') return undefined
  if (rest.length > 1 || (rest.length === 1 && rest[0]?.name !== 'p2p')) return undefined
  const port = Number(tcp.value)
  if (ip.value === undefined || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  return { host: plainHost(ip.value), port }
}

/** The IP address of any multiaddr that starts with one. */
export function hostOf(address: Multiaddr): string | undefined {
  const ip = address.getComponents()[0]
  return ip?.name === 'ip4' || ip?.name === 'ip6' ? plainHost(ip.value ?? '') : undefined
}

/** The peer id that a multiaddr ends in. */
export function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.name === 'p2p')?.value
}

/** An IPv4 address that a dual-stack socket shows in IPv6 form counts as the IPv4 address. */
function plainHost(host: string): string {
  const [, dotted, high, low] = MAPPED_IPV4.exec(host) ?? []
  if (dotted !== undefined) return dotted
  if (high === undefined || low === undefined) return host
  const halves = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return halves.flatMap((half) => [half >>> 8, half & 0xff]).join('.')
}

const MAPPED_IPV4 = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i

const LOOPBACK = blockList(['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128'])
const LINK_LOCAL = blockList(['169.254.0.0/16', 'fe80::/10'])
const PRIVATE = blockList(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'])

export function scopeOf(host: string): Scope {
  const family = isIPv4(host) ? 'ipv4' : 'ipv6'
  if (LOOPBACK.check(host, family)) return 'loopback'
  if (LINK_LOCAL.check(host, family)) return 'linkLocal'
  return PRIVATE.check(host, family) ? 'private' : 'public'
}

/** Whether two addresses of one family share a /24 (IPv4) or a /64 (IPv6). */
export function inSameSubnet(host: string, other: string): boolean {
  if (isIPv4(host) && isIPv4(other)) return blockList([`${host}/24`]).check(other, 'ipv4')
  if (isIPv6(host) && isIPv6(other)) return blockList([`${host}/64`]).check(other, 'ipv6')
  return false
}

/**
 * Whether a node that we know under `askerHost` may have us connect to `host`: its own address, or a private one next to
 * it. Anything else would let it use us to reach third parties.
 */
export function mayDialBack(host: string, askerHost: string): boolean {
  if (host === askerHost) return true
  return scopeOf(host) === 'private' && scopeOf(askerHost) === 'private' && inSameSubnet(host, askerHost)
}

/**
 * Whether to believe an address that we were told by a node at `introducerHost`. Loopback addresses mean something only
 * on one machine, private ones only within one network.
 */
export function mayBelieve(host: string, introducerHost: string): boolean {
  const nearness = { loopback: 0, linkLocal: 1, private: 2, public: 3 }
  if (scopeOf(host) === 'public') return true
  return nearness[scopeOf(introducerHost)] <= nearness[scopeOf(host)] && scopeOf(host) !== 'linkLocal'
}

/** Those worth telling others: no loopback or link-local address where there is a better one. Keeps the order. */
export function worthTelling(addresses: readonly Multiaddr[]): Multiaddr[] {
  const known = addresses.filter((address) => tcpAddress(address) !== undefined || hostOf(address) === undefined)
  const wide = known.filter((address) => {
    const host = hostOf(address)
    return host === undefined || ['private', 'public'].includes(scopeOf(host))
  })
  return wide.length > 0 ? wide : known
}

/**
 * The order in which to try a peer's addresses: in our own subnets first, then public ones, then names, then other private
 * ones, loopback last. Keeps the order within each group.
 */
export function sortForDial(addresses: readonly Multiaddr[], ownHosts: readonly string[]): Multiaddr[] {
  const rank = (address: Multiaddr): number => {
    const host = hostOf(address)
    // A provider's internal names lead over slow links, and whoever has a name has an address more often than not.
    if (host === undefined) return 2
    const scope = scopeOf(host)
    if (scope === 'private' && ownHosts.some((own) => inSameSubnet(own, host))) return 0
    return { public: 1, private: 3, linkLocal: 4, loopback: 5 }[scope]
  }
  return [...addresses].sort((left, right) => rank(left) - rank(right))
}

function blockList(subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = '', prefix = ''] = subnet.split('/')
    list.addSubnet(network, Number(prefix), isIPv4(network) ? 'ipv4' : 'ipv6')
  }
  return list
}
