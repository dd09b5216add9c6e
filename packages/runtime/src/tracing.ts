import type { Logger } from './logger.ts'

/*
 * Traces, as the rest of the code sees them. Nothing of OpenTelemetry's SDK is loaded unless traces are sent somewhere: without
 * an endpoint there is no Tracer (`undefined`), and every place that would start a span looks at that and goes on.
 *
 * Only the edges begin traces: an HTTP request, a socket's event. All others go on with one that reaches them as a
 * `traceparent` (https://www.w3.org/TR/trace-context/), and do nothing for work that came without.
 */

/** A W3C traceparent: `00-<trace id>-<span id>-01`. Held for spans that are recorded only. */
export type TraceParent = string

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer'
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

/** Work under way. Forgotten spans are never sent: end them. */
export interface Span {
  readonly traceparent: TraceParent
  readonly traceId: string
  attributes(attributes: SpanAttributes): void
  /** Work of another trace that did this work among others, such as the batch that it was part of. */
  link(traceparent: TraceParent): void
  /** @param error marks the span as failed; of an error only its name or code is kept, never its message */
  end(error?: unknown): void
}

export interface SpanOptions {
  kind?: SpanKind
  parent?: TraceParent | undefined
  /** Work of other traces that this work is done for, such as the messages of a batch. */
  links?: readonly TraceParent[]
  attributes?: SpanAttributes
  /** When it began, in milliseconds since 1970; now, where it is left out. */
  startedAt?: number
}

export interface Tracer {
  /** @returns undefined where the sampler leaves the trace out */
  start(name: string, options?: SpanOptions): Span | undefined
}

/** The Tracer of a process, to be stopped at its end so that the last spans are sent. */
export interface Tracing {
  readonly tracer: Tracer | undefined
  stop(): Promise<void>
}

export interface TracingSettings {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT: string | undefined
  readonly OTEL_EXPORTER_OTLP_HEADERS: Readonly<Record<string, string>>
  readonly OTEL_TRACES_SAMPLER_ARG: number
}

/** Opens tracing where the settings name an endpoint. `serviceName` is what traces show, `parley-gateway` say. */
export async function openTracing(settings: TracingSettings, serviceName: string, logger: Logger): Promise<Tracing> {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT
  if (endpoint === undefined) return { tracer: undefined, stop: async () => undefined }
  const { openOtlp } = await import('./otlp.ts')
  return openOtlp({
    endpoint,
    serviceName,
    headers: settings.OTEL_EXPORTER_OTLP_HEADERS,
    ratio: settings.OTEL_TRACES_SAMPLER_ARG,
    logger,
  })
}

/** A traceparent as it came from outside; undefined for anything else. */
export function parseTraceParent(text: unknown): TraceParent | undefined {
  return typeof text === 'string' && /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(text)
    ? text
    : undefined
}
