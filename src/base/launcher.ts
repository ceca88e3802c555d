// What the launcher (.ci/launcher.sh) does for this process, for those parts that start the program again without it.

/**
 * Read by glibc when a process starts: small allocations in huge pages, where the kernel gives them when asked. Spelt as no
 * user would, so that it is known for the launcher's own.
 */
const LAUNCHER_TUNABLES = 'glibc.malloc.hugetlb=0x1'

/** Has what this process starts find the variable as the user left it. */
export function dropLauncherTunables(environment: NodeJS.ProcessEnv): void {
  if (environment['GLIBC_TUNABLES'] === LAUNCHER_TUNABLES) delete environment['GLIBC_TUNABLES']
}

/** The environment for one more process of this program. */
export function withLauncherTunables(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { GLIBC_TUNABLES: LAUNCHER_TUNABLES, ...environment }
}
