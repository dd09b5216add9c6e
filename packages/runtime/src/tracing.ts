import type { Logger } from './logger.ts'

/*
 * The interface of tracing for the rest of the code. OpenTelemetry's SDK is loaded only if traces are sent somewhere: without an
 * endpoint there is no Tracer (`undefined`), and the places that start spans skip it.
 *
 * Only the edges start traces: an HTTP request, a socket event. Everything else continues a trace that it receives as a
 * `traceparent` (https://www.w3.org/TR/trace-context/), and does nothing without one.
 */

/** A W3C traceparent: `00-<trace id>-<span id>-01`. Only recorded spans have one. */
export type TraceParent = string

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer'
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

/** A unit of work in a trace. A span that is never ended is never sent. */
export interface Span {
  readonly traceparent: TraceParent
  readonly traceId: string
  attributes(attributes: SpanAttributes): void
  /** Links a span of another trace that included this work, such as the batch that it was part of. */
  link(traceparent: TraceParent): void
  /** Ends the span. @param error marks it as failed; only the name or code is recorded, never the message */
  end(error?: unknown): void
}

export interface SpanOptions {
  kind?: SpanKind
  parent?: TraceParent | undefined
  /** Spans of other traces for which this work is done, such as the messages of a batch. */
  links?: readonly TraceParent[]
  attributes?: SpanAttributes
  /** Start time, in milliseconds since 1970. Default: now. */
  startedAt?: number
}

export interface Tracer {
  /** Starts a span. @returns undefined if the trace is not sampled */
  start(name: string, options?: SpanOptions): Span | undefined
}

/** The tracer of a process. Stop it before exit, so that the last spans are sent. */
export interface Tracing {
  readonly tracer: Tracer | undefined
  stop(): Promise<void>
}

export interface TracingSettings {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT: string | undefined
  readonly OTEL_EXPORTER_OTLP_HEADERS: Readonly<Record<string, string>>
  readonly OTEL_TRACES_SAMPLER_ARG: number
}

/** Opens tracing, if the settings have an endpoint. @param serviceName name of the process in traces, e.g. `parley-gateway` */
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

/** Returns an external value if it is a valid traceparent; undefined otherwise. */
export function parseTraceParent(text: unknown): TraceParent | undefined {
  return typeof text === 'string' && /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(text)
    ? text
    : undefined
}
