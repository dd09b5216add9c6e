import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { apiSettings } from '../../../apps/api/src/settings.ts'
import { gatewaySettings } from '../../../apps/gateway/src/settings.ts'
import { workerSettings } from '../../../apps/worker/src/settings.ts'
import { dashboards } from '../../grafana/src/dashboards.ts'
import { staticSettings } from '../../static/src/settings.ts'
import { lint, type Manifest, render } from '../src/helm.ts'
import { podOf, templateOf } from '../src/pods.ts'
import { unknownFields, validate } from '../src/validate.ts'
import { LEAST, MOST } from './values.ts'

const SETTINGS: Record<string, object> = {
  api: apiSettings,
  gateway: gatewaySettings,
  worker: workerSettings,
  web: staticSettings,
}

function secretsAmong(settings: object): string[] {
  return Object.entries(settings).flatMap(([name, { secret, credential }]) => (secret || credential ? [name] : []))
}

function kinds(manifests: readonly Manifest[]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(Object.groupBy(manifests, ({ kind }) => kind)).map(([kind, all]) => [kind, all?.length ?? 0]),
  )
}

it('passes helm lint', async () => {
  expect(await lint(LEAST)).toContain('0 chart(s) failed')
})

it.each([
  ['least', LEAST],
  ['most', MOST],
  [
    'no web client, haproxy-ingress, no autoscaling by custom metrics',
    {
      ...LEAST,
      web: { enabled: false },
      ingress: { enabled: true, stickiness: 'haproxy-ingress' },
      gateway: { autoscaling: { enabled: true, connectionsPerPod: 0 } },
      networkPolicy: { enabled: false },
    },
  ],
])(
  'renders valid manifests: %s',
  async (_name, values) => {
    const manifests = await render(values)
    await validate(manifests)
    expect(await unknownFields(manifests)).toBe('')
    const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    expect(new Set(names).size).toBe(names.length)
  },
  60_000,
)

it('is checked by checks that can fail', async () => {
  const manifests = await render(LEAST)
  const pod = podOf(manifests, 'chat-parley-api')
  Object.assign(pod, { terminationGracePeriod: 30 })
  expect(await unknownFields(manifests)).toMatch(/"terminationGracePeriod".* does not exist in type 'IPodSpec'/)
  Object.assign(pod, { terminationGracePeriodSeconds: 'long' })
  await expect(validate(manifests)).rejects.toThrow(/Deployment chat-parley-api: .*terminationGracePeriodSeconds/)
})

it('contains the expected resources', async () => {
  expect(kinds(await render(LEAST))).toEqual({
    ConfigMap: 1,
    Deployment: 4,
    Job: 1,
    NetworkPolicy: 4,
    PodDisruptionBudget: 4,
    Service: 3,
    ServiceAccount: 1,
  })
  expect(kinds(await render(MOST))).toMatchObject({
    HorizontalPodAutoscaler: 3,
    HTTPRoute: 1,
    Ingress: 3,
    ConfigMap: 1 + dashboards.length,
    PodMonitor: 1,
    PrometheusRule: 1,
  })
})

it.each(Object.entries(SETTINGS))(
  '%s: sets only settings that the process knows, and requires its secrets',
  async (component, settings) => {
    const { env } = podOf(await render(LEAST), `chat-parley-${component}`).containers[0]
    expect(
      env
        .map(({ name }) => name)
        .filter((name) => !(name in settings) && !(component === 'worker' && /^(PORT|DRAIN_DELAY_MS)$/.test(name))),
    ).toEqual([])
    const secrets = env.flatMap(({ valueFrom }) => (valueFrom ? [valueFrom.secretKeyRef] : []))
    expect(new Set(secrets.map(({ name }) => name)).size).toBeLessThanOrEqual(1)
    expect(secrets.map(({ key }) => key)).toEqual(expect.arrayContaining(secretsAmong(settings)))
  },
)

it('accepts no secret among the settings in the ConfigMap', async () => {
  const schema = JSON.parse(await readFile(new URL('../parley/values.schema.json', import.meta.url), 'utf8'))
  const [, { not }] = schema.$defs.settings.propertyNames.allOf
  expect(not.enum).toEqual(expect.arrayContaining(Object.values(SETTINGS).flatMap(secretsAmong)))
})

it('probes the paths and ports that the images serve, and is more patient than the process', async () => {
  const dockerfile = await readFile(new URL('../../../Dockerfile', import.meta.url), 'utf8')
  const manifests = await render(LEAST)
  for (const component of ['api', 'gateway', 'worker', 'web']) {
    const pod = podOf(manifests, `chat-parley-${component}`)
    const [container] = pod.containers
    const ports = Object.fromEntries((container.ports ?? []).map(({ name, containerPort }) => [name, containerPort]))
    expect(dockerfile).toContain(`EXPOSE 8080 ${ports.admin}`)
    expect(container).toMatchObject({
      startupProbe: { httpGet: { path: '/health/live', port: 'admin' } },
      livenessProbe: { httpGet: { path: '/health/live', port: 'admin' } },
      readinessProbe: { httpGet: { path: '/health/ready', port: 'admin' } },
    })
    // packages/runtime/src/lifecycle.ts: forceQuitMs.
    const preStop = container.lifecycle?.preStop.sleep.seconds ?? 0
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(preStop + 25 + 5)
  }
})

async function rolloutOf(component: string): Promise<{ minReadySeconds?: number; strategy: object } | undefined> {
  const manifests = await render({ ...LEAST, shutdown: { preStopSeconds: 8, drainSeconds: 30 } })
  const deployment = manifests.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === `chat-parley-${component}`,
  )
  return deployment?.spec as Awaited<ReturnType<typeof rolloutOf>>
}

it('replaces one pod at a time: the next one stops when the previous one has drained', async () => {
  for (const component of ['api', 'gateway', 'worker']) {
    // A Deployment does not wait for terminating pods, only for new ones to have been ready for this long.
    expect(await rolloutOf(component), component).toMatchObject({
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      minReadySeconds: 38,
    })
  }
})

it('replaces all web pods at once: a page of one build would not find its files on a pod of another', async () => {
  const rollout = await rolloutOf('web')
  expect(rollout?.strategy).toEqual({
    type: 'RollingUpdate',
    rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 },
  })
  expect(rollout).not.toHaveProperty('minReadySeconds')
})

it('gives pods no privileges', async () => {
  const manifests = await render(MOST)
  for (const name of ['api', 'gateway', 'worker', 'web', 'migrate']) {
    const pod = podOf(manifests, `chat-parley-${name}`)
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(pod.containers[0].image).toBe(`registry.example.com/parley/${name}:1.2.3`)
  }
})

it('makes every process that calls others trust the custom certificates', async () => {
  const [with_, without] = [await render(MOST), await render(LEAST)]
  for (const name of ['api', 'gateway', 'worker', 'web', 'migrate']) {
    const pod = podOf(with_, `chat-parley-${name}`)
    expect(pod.containers[0].env).toContainEqual({ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/parley/ca/ca.crt' })
    expect(pod.containers[0].volumeMounts).toEqual([{ name: 'ca', mountPath: '/etc/parley/ca', readOnly: true }])
    expect(pod.volumes).toEqual([
      { name: 'ca', secret: { secretName: 'company-ca', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    ])
    expect(JSON.stringify(podOf(without, `chat-parley-${name}`))).not.toMatch(/CA_CERTS|volume/)
  }
})

it('writes numbers exactly as in the values, however large or small', async () => {
  const config = {
    HSTS_SECONDS: 31_536_000,
    ATTACHMENT_DIRECT_MAX_BYTES: 5_368_709_120,
    OTEL_TRACES_SAMPLER_ARG: 0.00001,
    API_DOCS: false,
    CORS_ORIGINS: 'https://a.example,https://"b".example',
  }
  const manifests = await render({ ...LEAST, config, gateway: { env: { HANDSHAKES_PER_10S: 2_000_000 } } })
  expect(manifests.find(({ kind }) => kind === 'ConfigMap')?.data).toMatchObject({
    HSTS_SECONDS: '31536000',
    ATTACHMENT_DIRECT_MAX_BYTES: '5368709120',
    OTEL_TRACES_SAMPLER_ARG: '0.00001',
    API_DOCS: 'false',
    CORS_ORIGINS: config.CORS_ORIGINS,
  })
  const { env } = podOf(manifests, 'chat-parley-gateway').containers[0]
  expect(env).toContainEqual({ name: 'HANDSHAKES_PER_10S', value: '2000000' })
})

it('replaces pods when a setting changes', async () => {
  const checksum = async (config: object) =>
    templateOf(await render({ ...LEAST, config }), 'chat-parley-api').metadata.annotations?.['checksum/config']
  expect(await checksum({ LOG_LEVEL: 'warn' })).toMatch(/^[0-9a-f]{64}$/)
  expect(await checksum({ LOG_LEVEL: 'warn' })).not.toBe(await checksum({ LOG_LEVEL: 'info' }))
})

it('migrates before pods are replaced, as a hook or as a Job per revision', async () => {
  const job = async (values: object) => (await render(values)).find(({ kind }) => kind === 'Job')?.metadata
  expect(await job(LEAST)).toMatchObject({
    name: 'chat-parley-migrate',
    annotations: {
      'helm.sh/hook': 'pre-install,pre-upgrade',
      'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
    },
  })
  expect(await job(MOST)).toMatchObject({
    name: 'chat-parley-migrate-1',
    annotations: { 'argocd.argoproj.io/sync-wave': '-1' },
  })
})

it.each([
  ['no secret', {}, /existingSecret/],
  ['a setting that does not look like one', { ...LEAST, config: { log_level: 'info' } }, /log_level/],
  ['a secret among the settings', { ...LEAST, config: { JWT_SECRET: 'in plain sight' } }, /JWT_SECRET/],
  ['a typing error', { ...LEAST, gatewy: { replicas: 3 } }, /gatewy/],
  ['a number as text', { ...LEAST, api: { replicas: '2' } }, /replicas/],
  ['less time than the drain takes', { ...LEAST, shutdown: { drainSeconds: 5 } }, /drainSeconds/],
  ['a route without a gateway', { ...LEAST, gatewayApi: { enabled: true } }, /parentRefs/],
])('refuses values: %s', async (_name, values, reason) => {
  await expect(render(values)).rejects.toThrow(reason)
})
