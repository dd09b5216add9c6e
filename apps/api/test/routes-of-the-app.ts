import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { TokenSettings } from '@parley/auth'
import { createTokenVerifier } from '@parley/auth'
import { apiPublicSettings, createLogger, loadSettings } from '@parley/runtime'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../src/app.ts'
import type { ApiDeps } from '../src/deps.ts'
import { HttpMeasures } from '../src/measures.ts'

/** Builds an app without services, to inspect its routes; anything that needs a service fails. */
export function appWithoutServices(
  NODE_ENV: TokenSettings['NODE_ENV'],
  env: Readonly<Record<string, string>> = {},
): Promise<FastifyInstance> {
  const tokenSettings = {
    NODE_ENV,
    JWT_SECRET: 'a secret for tests that nobody else has',
    JWT_JWKS_URL: undefined,
  } as const
  const settings = { ...tokenSettings, JWT_ISSUER: undefined, JWT_AUDIENCE: undefined } as unknown as TokenSettings
  const deps = {
    logger: createLogger({ name: 'api', level: 'silent' }),
    http: loadSettings(apiPublicSettings, { NODE_ENV, ...env }),
    measures: new HttpMeasures(),
    standstill: { covers: () => false },
    tokenSettings: settings,
    jwtOptions: createTokenVerifier(settings).jwtOptions,
    rateLimit: { perPerson: 0 },
    push: { publicKey: null, allowLoopback: false },
  }
  return buildApp(deps as unknown as ApiDeps)
}

/** Returns every route of the app, as `GET /api/users/me`, without HEAD, which comes with each GET, and the viewer's files. */
export async function routesOfTheApp(): Promise<string[]> {
  const routes: string[] = []
  const listen = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', ({ method, url }) => {
      if (url.startsWith('/api/docs')) return
      for (const name of [method].flat()) if (name !== 'HEAD' && name !== 'OPTIONS') routes.push(`${name} ${url}`)
    })
  }
  // Called for each Fastify instance when it is created, before its routes are added.
  subscribe('fastify.initialization', listen)
  try {
    const app = await appWithoutServices('test')
    await app.ready()
    await app.close()
  } finally {
    unsubscribe('fastify.initialization', listen)
  }
  return routes
}
