import cors from '@fastify/cors'
import type { apiPublicSettings, SettingsOf } from '@parley/runtime'
import fastifyPlugin from 'fastify-plugin'
import helmet from 'helmet'

/** Answers that a page of another origin may read beside the body. */
const EXPOSED = ['retry-after', 'x-request-id', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']
/** How long a browser keeps the answer to a preflight, in seconds. */
const PREFLIGHT_SECONDS = 600

/**
 * What browsers are told: which pages may ask (CORS_ORIGINS), and that an answer is data, not a page. Tokens travel in a
 * header that no browser adds by itself, so no request can be forged by another page in either case.
 */
export const browserHeaders = fastifyPlugin<{ http: SettingsOf<typeof apiPublicSettings> }>(async (app, { http }) => {
  const { CORS_ORIGINS: origins, HSTS_SECONDS: maxAge } = http
  // Made once: @fastify/helmet makes the same headers anew for each answer, a fortieth of what a page of history costs.
  const setHeaders = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
    },
    // Another origin that may ask does so with CORS, which this header does not touch.
    crossOriginResourcePolicy: { policy: 'same-origin' },
    strictTransportSecurity: maxAge === 0 ? false : { maxAge, includeSubDomains: false },
  })
  app.addHook('onRequest', ({ raw: request }, { raw: reply }, done) => setHeaders(request, reply, () => done()))
  await app.register(cors, {
    origin: origins === '*' ? '*' : origins.length === 0 ? false : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
    // An OPTIONS that is no preflight is answered as one: refused, it would be in words of the plugin's own.
    strictPreflight: false,
  })
})
