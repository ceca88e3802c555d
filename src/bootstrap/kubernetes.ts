// Kubernetes manifests: a Job, a DaemonSet, or a pod whose initContainer restores before the user's container starts.

import { dirname } from 'node:path'
import { LEAST_PRIVILEGE } from './advice.ts'
import { installFunctions, SAY } from './install-script.ts'
import { type JoinPlan, joinCommand, SWARM_PORT, usage } from './plan.ts'
import { comment, yamlBlock, yamlText } from './quoting.ts'

export interface KubernetesOptions {
  readonly kind: 'job' | 'daemonset' | 'init'
  readonly nodes: number
  /** A DNS label; names every object. */
  readonly name: string
  /** Runs swarm; needs glibc 2.28 or later. */
  readonly image: string
  /** Installs the package; needs sh, tar, xz, sha256sum and curl or wget. */
  readonly installImage: string
}

/** The user that the containers run as. */
const USER_ID = 10_001
/** Folders that a volume must not hide from the containers, and those that have a volume already. */
const TAKEN = /^\/$|^\/(tmp|opt\/swarm)$|^\/(usr|etc|s?bin|lib\w*|proc|sys|dev)(\/|$)|:/

/** Throws `usage` for a directory in whose parent no volume can be. */
export function kubernetesManifests(plan: JoinPlan, options: KubernetesOptions): string {
  // A name such as 12 or true is text too.
  const name = yamlText(options.name)
  if (TAKEN.test(dirname(plan.directory))) {
    throw usage(
      `<dir> ${plan.directory}: no volume can be mounted at ${dirname(plan.directory)}`,
      'give a directory in another one, such as /workspace/data: the volume is mounted at /workspace',
    )
  }
  const head =
    comment(`Restores a snapshot on a cluster. Written by swarm bootstrap k8s; apply with: kubectl apply -f FILE
Secret first (left out: join runs without ticket or credentials):
  kubectl create secret generic ${options.name} --from-env-file=secrets.env      # KEY=VALUE lines: SWARM_TICKET, AWS_ACCESS_KEY_ID, ...
${LEAST_PRIVILEGE}
Images: ${options.installImage} unpacks the package, ${options.image} runs it (glibc 2.28 or later).
Ports: hostPort ${SWARM_PORT} lets the nodes talk without the overlay network; where a policy forbids hostPort, delete it and SWARM_HOST_PORT.
emptyDir goes with the pod; hostPath (/var/lib/swarm) stays on the node, so that a new pod has nothing to fetch. A restarted container goes on where it stopped.`)
  const policy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: ${name}
spec:
  # Lets the pods be reached where everything is denied by default; what they may reach outside is not restricted here.
  podSelector: { matchLabels: { app: ${name} } }
  policyTypes: [Ingress]
  ingress:
    # Without "from": what comes to a hostPort has the address of a node, which no podSelector matches, and on some networks no ipBlock either.
    # Who connects gets nothing before it has proved that it knows the swarm's key. Without the hostPort this would do:
    #   from: [{ podSelector: { matchLabels: { app: ${name} } } }]
    - ports: [{ protocol: TCP, port: ${SWARM_PORT} }]`
  const spread = `affinity:
  # One pod a node: two would fetch the same bytes to the same disk.
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector: { matchLabels: { app: ${name} } }
        topologyKey: kubernetes.io/hostname
`
  return `${head}\n${policy}\n---\n${workload(plan, options, name, spread)}`
}

function workload(plan: JoinPlan, options: KubernetesOptions, name: string, spread: string): string {
  const { kind, nodes } = options
  const labels = `metadata:\n  labels: { app: ${name} }\n`
  if (kind === 'job') {
    const pod = `${labels}spec:\n${indent(podSpec(plan, options, name, 'OnFailure', spread), 2)}`
    return `apiVersion: batch/v1
kind: Job
metadata:
  name: ${name}
spec:
  completionMode: Indexed
  completions: ${nodes}
  parallelism: ${nodes}
  backoffLimit: ${nodes * 3}
  template:
${indent(pod, 4)}`
  }
  if (kind === 'daemonset') {
    const pod = `${labels}spec:\n${indent(podSpec(plan, options, name, 'Always', ''), 2)}`
    return `apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: ${name}
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
${indent(pod, 4)}`
  }
  return `apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  labels: { app: ${name} }
spec:
${indent(podSpec(plan, options, name, 'Always', ''), 2)}`
}

function podSpec(plan: JoinPlan, options: KubernetesOptions, name: string, restart: string, affinity: string): string {
  const { kind, image } = options
  // A Job's pods are gone when it is done: only what is on the nodes stays.
  const isOnNode = kind !== 'init'
  const parent = yamlText(dirname(plan.directory))
  const initial: string[] = []
  if (isOnNode) {
    initial.push(`- name: own-cache
  # A hostPath belongs to root: this one step hands it to the user that swarm runs as.
  image: ${yamlText(options.installImage)}
  command: [chown, ${yamlText(`${USER_ID}:${USER_ID}`)}, ${parent}]
  securityContext: { runAsUser: 0, runAsNonRoot: false, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: [ALL], add: [CHOWN] } }
  volumeMounts: [{ name: workspace, mountPath: ${parent} }]`)
  }
  if (plan.package !== undefined) {
    const script = `set -eu\n${SAY}${installFunctions(plan.package)}swarm_install /opt/swarm/package\n`
    initial.push(`- name: install
  image: ${yamlText(options.installImage)}
  command: [sh, -c]
  args:
    - ${yamlBlock(script, 6)}
  resources: { requests: { cpu: 100m, memory: 128Mi }, limits: { memory: 512Mi } }
${indent(SECURITY, 2)}
  volumeMounts: [{ name: swarm, mountPath: /opt/swarm }, { name: tmp, mountPath: /tmp }]`)
  }
  const program = plan.package === undefined ? 'swarm' : `/opt/swarm/package/${plan.package.sha256}/swarm`
  // A DaemonSet that ended would be started again and again: it serves for ever.
  const linger = kind === 'daemonset' ? ['--linger', 'forever'] : kind === 'init' ? ['--linger', '0'] : []
  const run = `exec ${joinCommand({ ...plan, joinArguments: [...linger, ...plan.joinArguments] }, program)}\n`
  const join = `- name: swarm
  image: ${yamlText(image)}
  command: [sh, -c]
  args:
    - ${yamlBlock(run, 6)}
  env:
    - { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
    - { name: HOST_IP, valueFrom: { fieldRef: { fieldPath: status.hostIP } } }
    - { name: SWARM_HOST_PORT, value: "${SWARM_PORT}" }
    - { name: HOME, value: /tmp }
  envFrom: [{ secretRef: { name: ${name}, optional: true } }]
  ports: [{ name: swarm, containerPort: ${SWARM_PORT}, hostPort: ${SWARM_PORT}, protocol: TCP }]
  # Memory: 512 MiB of chunks and the process. No limit on CPU: decoding takes what is there.
  resources: { requests: { cpu: "2", memory: 2Gi }, limits: { memory: 4Gi } }
${indent(SECURITY, 2)}
  volumeMounts: [{ name: swarm, mountPath: /opt/swarm }, { name: workspace, mountPath: ${parent} }, { name: tmp, mountPath: /tmp }]`
  const main = `- name: main
  # Yours: it starts when the tree is complete.
  image: ${yamlText(image)}
  command: [sleep, infinity]
${indent(SECURITY, 2)}
  volumeMounts: [{ name: workspace, mountPath: ${parent} }]`
  if (kind === 'init') initial.push(join)
  return `restartPolicy: ${restart}
# SIGTERM makes swarm save what it has; it needs 5 s at most.
terminationGracePeriodSeconds: 30
securityContext: { fsGroup: ${USER_ID}, seccompProfile: { type: RuntimeDefault } }
${affinity}${initial.length === 0 ? '' : `initContainers:\n${indent(initial.join('\n'), 2)}\n`}containers:
${indent(kind === 'init' ? main : join, 2)}
volumes:
  - { name: swarm, emptyDir: {} }
  - { name: tmp, emptyDir: {} }
  ${isOnNode ? '- { name: workspace, hostPath: { path: /var/lib/swarm, type: DirectoryOrCreate } }' : '# Mind ephemeral-storage limits: a pod over them is evicted. Never medium: Memory, which counts as memory.\n  - { name: workspace, emptyDir: {} }'}
`
}

const SECURITY = `securityContext: { runAsNonRoot: true, runAsUser: ${USER_ID}, runAsGroup: ${USER_ID}, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }`

function indent(text: string, blanks: number): string {
  const margin = ' '.repeat(blanks)
  return text.replace(/^(?=.)/gm, margin)
}
