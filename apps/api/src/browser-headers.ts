import cors from '@fastify/cors'
import type { apiPublicSettings, SettingsOf } from '@parley/runtime'
import fastifyPlugin from 'fastify-plugin'
import helmet from 'helmet'

/** Response headers that a page from another origin may read. */
const EXPOSED = ['retry-after', 'x-request-id', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']
/** How long a browser keeps the answer to a preflight, in seconds. */
const PREFLIGHT_SECONDS = 600

/**
 * Sets CORS headers (CORS_ORIGINS) and security headers that mark every answer as data, not a page. Tokens travel in a header
 * that browsers never add by themselves, so other pages cannot forge requests either way.
 */
export const browserHeaders = fastifyPlugin<{ http: SettingsOf<typeof apiPublicSettings> }>(async (app, { http }) => {
  const { CORS_ORIGINS: origins, HSTS_SECONDS: maxAge } = http
  // Built once: @fastify/helmet rebuilds the same headers for each answer, a fortieth of the cost of a page of history.
  const setHeaders = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
    },
    // Does not affect CORS, which is how allowed origins get access.
    crossOriginResourcePolicy: { policy: 'same-origin' },
    strictTransportSecurity: maxAge === 0 ? false : { maxAge, includeSubDomains: false },
  })
  app.addHook('onRequest', ({ raw: request }, { raw: reply }, done) => setHeaders(request, reply, () => done()))
  await app.register(cors, {
    origin: origins === '*' ? '*' : origins.length === 0 ? false : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
    // Answer any OPTIONS request as a preflight: the plugin would refuse others with an error format of its own.
    strictPreflight: false,
  })
})
