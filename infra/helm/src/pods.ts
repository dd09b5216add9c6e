import type { Manifest } from './helm.ts'

/** The parts of a container that tests check. */
interface Container {
  name: string
  image: string
  env: {
    name: string
    value?: string
    valueFrom?: { secretKeyRef: { name: string; key: string; optional?: boolean } }
  }[]
  ports?: { name: string; containerPort: number }[]
  securityContext: object
  lifecycle?: { preStop: { sleep: { seconds: number } } }
  [probe: string]: unknown
}
export interface PodSpec {
  containers: [Container]
  terminationGracePeriodSeconds: number
  automountServiceAccountToken: boolean
  volumes?: object[]
  securityContext: object
}

export interface Template {
  metadata: { annotations?: Record<string, string> }
  spec: PodSpec
}

/**
 * Returns the pod template of the Deployment or Job whose name starts with `name`.
 * @throws if there is none
 */
export function templateOf(manifests: readonly Manifest[], name: string): Template {
  const found = manifests.find(
    ({ kind, metadata }) => /^(Deployment|Job)$/.test(kind) && metadata.name.startsWith(name),
  )
  if (found === undefined) throw new Error(`no ${name}`)
  return (found.spec as { template: Template }).template
}

/** Returns the pod spec of {@link templateOf}. */
export function podOf(manifests: readonly Manifest[], name: string): PodSpec {
  return templateOf(manifests, name).spec
}
