// Looks where this machine is and says so: the environment, the network interfaces and what was asked for become the
// addresses that a node listens on and tells.

import { networkInterfaces } from 'node:os'
import { readLaunchEnvironment } from '../exchange/launch-environment.ts'
import {
  type AskedAddresses,
  type Environment,
  mergeEnvironments,
  type Place,
  type PlacedAddresses,
  placeAddresses,
} from '../exchange/place-addresses.ts'

const TITLES: Readonly<Record<Place, string>> = {
  vast: 'vast.ai',
  runpod: 'RunPod',
  slurm: 'Slurm',
  kubernetes: 'Kubernetes',
  plain: 'a machine of its own',
}

/** `environment` is this process's; what it lacks is looked for in the one that the machine was started with. */
export async function findPlace(environment: Environment, asked: AskedAddresses): Promise<PlacedAddresses> {
  const known = mergeEnvironments(environment, await readLaunchEnvironment())
  return placeAddresses(known, networkInterfaces(), asked)
}

/** One line: the place, what is listened on, what is told besides that. */
export function describePlace({ place, listen, announce, site, untoldHosts }: PlacedAddresses): string {
  const told = announce.length === 0 ? 'nothing besides' : announce.join(', ')
  const parts = [`${TITLES[place]}: listens on ${listen.join(', ') || 'nothing'}, announces ${told}`]
  if (site !== '') parts.push(`site ${site}`)
  if (untoldHosts.length > 0) parts.push(`keeps ${untoldHosts.join(', ')} to itself`)
  return parts.join(', ')
}

/** Why nobody outside can dial this node; undefined where somebody may. */
export function outboundOnlyMessage({ place, outboundOnly }: PlacedAddresses): string | undefined {
  if (!outboundOnly) return undefined
  return `no port of this ${TITLES[place]} machine is open to the outside: it takes part by dialling out only`
}
