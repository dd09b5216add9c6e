import { z } from 'zod'
import { parseTrustedProxies } from './client-address.ts'
import { defineSettings, setting } from './config.ts'
import { flag, wholeNumber } from './setting-values.ts'

/** Which pages of other origins may ask: all of them, or these. */
export type AllowedOrigins = '*' | readonly string[]

const origins = z.string().transform((text, ctx): AllowedOrigins => {
  if (text === '*') return '*'
  if (text === 'none') return []
  const all = text.split(',').map((origin) => origin.trim())
  if (all.every(isOrigin)) return all
  ctx.addIssue({ code: 'custom', message: 'not a list of origins' })
  return z.NEVER
})

/** `https://chat.example.com`, as a browser writes it into the Origin header; `capacitor://localhost` is one, too. */
function isOrigin(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@*\s]+$/.test(text)) return false
  const url = URL.parse(text)
  return url !== null && (url.origin === 'null' || url.origin === text)
}

/** Of what faces users: api pods and gateways. */
export const publicSettings = defineSettings({
  CORS_ORIGINS: setting(
    origins,
    'The origins whose pages may use the API and open sockets from a browser, beside the cluster’s own origin',
    {
      expected: 'origins with commas between them, such as https://chat.example.com; * for any, none for no other',
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
    'The balancers in front of the process: how many, or where. What they say in X-Forwarded-For is believed',
    {
      expected:
        'a whole number up to 99 (0 where clients connect directly), or addresses and ranges such as 10.0.0.0/8',
      default: '1',
    },
  ),
  KEEP_ALIVE_SECONDS: setting(
    wholeNumber(1, 3_600),
    'How long an idle connection stays open: longer than the balancer keeps its own, or it sends into closing ones',
    { expected: 'a whole number from 1 to 3600', default: '72' },
  ),
})

/** Of the api alone. */
export const apiPublicSettings = defineSettings({
  ...publicSettings,
  HSTS_SECONDS: setting(
    wholeNumber(0, 63_072_000),
    'For how long browsers are told to reach this host by https only (Strict-Transport-Security); 0: not told',
    { expected: 'a whole number up to 63072000', default: '0' },
  ),
  API_DOCS: setting(flag, 'Serve the description of the HTTP API at /api/docs, to anybody', {
    expected: 'true or false',
    default: 'true',
  }),
})
