import { z } from 'zod'
import { parseTrustedProxies } from './client-address.ts'
import { defineSettings, setting } from './config.ts'
import { flag, wholeNumber } from './setting-values.ts'

/** Which other origins' pages may send requests: all of them, or these. */
export type AllowedOrigins = '*' | readonly string[]

const origins = z.string().transform((text, ctx): AllowedOrigins => {
  if (text === '*') return '*'
  if (text === 'none') return []
  const all = text.split(',').map((origin) => origin.trim())
  if (all.every(isOrigin)) return all
  ctx.addIssue({ code: 'custom', message: 'not a list of origins' })
  return z.NEVER
})

/** Whether a text is an origin as in the Origin header: `https://chat.example.com`, also `capacitor://localhost`. */
function isOrigin(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@*\s]+$/.test(text)) return false
  const url = URL.parse(text)
  return url !== null && (url.origin === 'null' || url.origin === text)
}

/** Settings of the processes that face users: api pods and gateways. */
export const publicSettings = defineSettings({
  CORS_ORIGINS: setting(
    origins,
    'The origins whose pages may use the API and open sockets from a browser, besides the cluster’s own origin',
    {
      expected: 'comma-separated origins, such as https://chat.example.com; * for any, none for no other',
      default: 'none',
      developmentDefault: '*',
    },
  ),
  TRUSTED_PROXIES: setting(
    z.string().transform((text, ctx) => {
      const parsed = parseTrustedProxies(text)
      if (parsed !== undefined) return parsed
      ctx.addIssue({ code: 'custom', message: 'neither a number nor addresses' })
      return z.NEVER
    }),
    'The balancers in front of the process: their number, or their addresses. Their X-Forwarded-For is trusted',
    {
      expected: 'a whole number up to 99 (0 if clients connect directly), or addresses and ranges such as 10.0.0.0/8',
      default: '1',
    },
  ),
  KEEP_ALIVE_SECONDS: setting(
    wholeNumber(1, 3_600),
    'How long an idle connection stays open. Must be longer than the balancer’s own limit, or it may use a closing one',
    { expected: 'a whole number from 1 to 3600', default: '72' },
  ),
})

/** Settings of the api only. */
export const apiPublicSettings = defineSettings({
  ...publicSettings,
  HSTS_SECONDS: setting(
    wholeNumber(0, 63_072_000),
    'How long browsers should use https only for this host (Strict-Transport-Security); 0 omits the header',
    { expected: 'a whole number up to 63072000', default: '0' },
  ),
  API_DOCS: setting(flag, 'Whether to serve the description of the HTTP API at /api/docs, to anybody', {
    expected: 'true or false',
    default: 'true',
  }),
})
