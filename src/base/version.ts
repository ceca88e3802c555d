/** Of this program, as in package.json. */
export const VERSION = '0.1.0'
/** What this program calls itself to peers and in traces. */
export const AGENT_VERSION = `swarm/${VERSION}`
