import { z } from 'zod'
import { defineSettings, setting } from './config.ts'
import { webUrl } from './setting-values.ts'

/** `a=b,c=d`, values percent-encoded, as OpenTelemetry writes headers. */
const headers = z
  .string()
  .default('')
  .transform((text, context) => {
    const pairs = text.split(',').flatMap((pair) => {
      const at = pair.indexOf('=')
      return pair.trim() === '' ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const]
    })
    try {
      if (pairs.some(([name]) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name))) throw new TypeError('not a header')
      return Object.fromEntries(pairs.map(([name, value]) => [name, decodeURIComponent(value)]))
    } catch {
      context.addIssue({ code: 'custom', message: 'not a list of headers' })
      return z.NEVER
    }
  })

/** Where traces go. The names are OpenTelemetry's own, so that what is known of them holds here. */
export const tracingSettings = defineSettings({
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    webUrl.optional(),
    'The OpenTelemetry collector (OTLP over HTTP) that traces are sent to; without it nothing is traced',
    { expected: 'an http:// or https:// URL, such as http://collector:4318' },
  ),
  OTEL_EXPORTER_OTLP_HEADERS: setting(headers, 'Headers for the collector, for a key for example', {
    expected: 'name=value pairs with commas between them, values percent-encoded',
    credential: true,
  }),
  OTEL_TRACES_SAMPLER_ARG: setting(
    z
      .string()
      .regex(/^(0(\.\d+)?|1(\.0+)?)$/)
      .transform(Number),
    'The part of all traces that is kept; a request that brings a traceparent of its own decides for itself',
    { expected: 'a number from 0 to 1', default: '1' },
  ),
})
