import { z } from 'zod'
import { defineSettings, setting } from './config.ts'
import { webUrl } from './setting-values.ts'

/** Headers in OpenTelemetry's format: `a=b,c=d`, values percent-encoded. */
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

/** Settings for tracing, with OpenTelemetry's standard names and meanings. */
export const tracingSettings = defineSettings({
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    webUrl.optional(),
    'The OpenTelemetry collector (OTLP over HTTP) that traces are sent to; without it nothing is traced',
    { expected: 'an http:// or https:// URL, such as http://collector:4318' },
  ),
  OTEL_EXPORTER_OTLP_HEADERS: setting(headers, 'Headers for the collector, for example with a key', {
    expected: 'comma-separated name=value pairs, values percent-encoded',
    credential: true,
  }),
  OTEL_TRACES_SAMPLER_ARG: setting(
    z
      .string()
      .regex(/^(0(\.\d+)?|1(\.0+)?)$/)
      .transform(Number),
    'The fraction of traces to keep; a request with its own traceparent decides for itself',
    { expected: 'a number from 0 to 1', default: '1' },
  ),
})
