// Comments that several texts share.

/** What a machine may do in the store, and what follows from less. */
export const LEAST_PRIVILEGE = `The key of the store: read (GET, LIST) for the prefix is enough to join. To let the machines find each other through the
store it also needs PUT under <prefix>/swarms/<root>/, where each writes its addresses; a machine that may only read lists and dials,
and warns while it stays alone. It never needs PUT elsewhere, nor DELETE.`
