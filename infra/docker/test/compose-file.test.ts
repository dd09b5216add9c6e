import { readFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { apiSettings } from '../../../apps/api/src/settings.ts'
import { gatewaySettings } from '../../../apps/gateway/src/settings.ts'
import { workerSettings } from '../../../apps/worker/src/settings.ts'
import { loadSettings, type SettingsDefinition } from '../../../packages/runtime/src/index.ts'
import { staticSettings } from '../../static/src/settings.ts'

/* Checks that docker-compose.yml passes each process all of its settings and nothing else. test:compose runs the file. */

const PROCESSES = { api: apiSettings, gateway: gatewaySettings, worker: workerSettings, web: staticSettings }

/** Settings that are fixed in the images, or in the file. */
const OF_THE_IMAGES = ['PORT', 'ADMIN_PORT', 'WEB_ROOT']
const OF_THE_FILE = ['HOST', 'DATABASE_URL', 'REDIS_URL', 'DRAIN_DELAY_MS']
/** Not needed: the file's Redis is not a cluster, and the others weaken guarantees for tests. */
const UNUSED = ['REDIS_CLUSTER', 'PUSH_ALLOW_PRIVATE_ENDPOINTS', 'PARLEY_TEST_ACK_BEFORE_COMMIT']
/** Has another name in .env, because NODE_ENV is often set in a shell. */
const RENAMED = ['NODE_ENV']

type Environment = Record<string, string | null>

const read = (path: string) => readFile(new URL(`../../../${path}`, import.meta.url), 'utf8')
const { services } = parse(await read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, { environment: Environment }>
}

describe.each(Object.entries(PROCESSES))('%s', (service, settings) => {
  const environment = services[service]?.environment ?? {}
  const names = Object.keys(environment)

  it('gets every setting that it reads', () => {
    const left = [...OF_THE_IMAGES, ...UNUSED]
    expect(Object.keys(settings).filter((name) => !left.includes(name) && !names.includes(name))).toEqual([])
  })

  it('gets nothing else, so no secret that it does not need', () => {
    expect(names.filter((name) => !Object.hasOwn(settings, name))).toEqual([])
  })

  it('takes them from .env', () => {
    const fixed = Object.entries(environment).filter(([name, value]) => value !== null && !value.includes(`\${${name}`))
    expect(fixed.map(([name]) => name).filter((name) => ![...OF_THE_FILE, ...RENAMED].includes(name))).toEqual([])
  })
})

/** Returns a container's environment as Compose would interpolate it from a .env file. */
function environmentOf(service: string, dotEnv: Record<string, string>): Record<string, string> {
  const entries = Object.entries(services[service]?.environment ?? {})
  const filled = (text: string) =>
    text.replace(/\$\{(\w+):?-([^}]*)\}/g, (_, name: string, otherwise: string) => dotEnv[name] || otherwise)
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value === null ? (dotEnv[name] ?? '') : filled(value)]),
  )
}

it.each(['api', 'gateway', 'worker'] as const)(
  '%s does not start in production when a secret is missing from .env',
  (service) => {
    const needed = { JWT_SECRET: 'j'.repeat(48), POSTGRES_PASSWORD: 'a-password', S3_SECRET_ACCESS_KEY: 'a-secret-key' }
    const start = (dotEnv: Record<string, string>) =>
      loadSettings<SettingsDefinition>(
        PROCESSES[service],
        environmentOf(service, { PARLEY_ENV: 'production', ...dotEnv }),
      )
    expect(start(needed)).toMatchObject({ NODE_ENV: 'production' })
    expect(() => start({ ...needed, POSTGRES_PASSWORD: '' })).toThrow(/^DATABASE_URL has the password of a development/)
    expect(() => start({ ...needed, S3_SECRET_ACCESS_KEY: '' })).toThrow(
      /^S3_SECRET_ACCESS_KEY has a development default/,
    )
  },
)

it('docker-compose.yml uses every setting in example.env', async () => {
  const compose = await read('docker-compose.yml')
  const names = [...(await read('infra/docker/example.env')).matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)].map(([, n]) => n)
  expect(names.length).toBeGreaterThan(10)
  const taken = names.filter((name) => compose.includes(`\${${name}`) || new RegExp(`^ +${name}:$`, 'm').test(compose))
  expect(taken).toEqual(names)
})
