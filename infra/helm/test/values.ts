/** The minimum values. */
export const LEAST = { existingSecret: 'parley' }
const autoscaling = { enabled: true }
const peers = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'balancers' } } }]
/** Values that turn everything on. */
export const MOST = {
  ...LEAST,
  image: { registry: 'registry.example.com', tag: '1.2.3', pullSecrets: [{ name: 'pull' }] },
  config: { JWT_JWKS_URL: 'https://id.example.com/jwks', PUSH_CONCURRENCY: 64 },
  api: {
    autoscaling,
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'chat', operator: 'Exists' }],
    env: { LOG_LEVEL: 'debug' },
  },
  gateway: { autoscaling, podAnnotations: { team: 'chat' }, affinity: { podAntiAffinity: {} } },
  worker: { autoscaling },
  migrate: { hook: false, annotations: { 'argocd.argoproj.io/sync-wave': '-1' } },
  ingress: { enabled: true, className: 'nginx', tlsSecret: 'tls', stickiness: 'nginx', annotations: { team: 'chat' } },
  gatewayApi: {
    enabled: true,
    hostnames: ['chat.example.com'],
    parentRefs: [{ name: 'public' }],
    sessionPersistence: true,
  },
  networkPolicy: {
    from: peers,
    metricsFrom: peers,
    extraEgress: [{ to: peers, ports: [{ port: 4318, protocol: 'TCP' }] }],
  },
  monitoring: {
    podMonitor: { enabled: true, labels: { release: 'prometheus' } },
    prometheusRule: { enabled: true, labels: { release: 'prometheus' } },
    dashboards: { enabled: true, annotations: { folder: 'Chat' } },
  },
  caCertificates: { secret: 'company-ca' },
}
