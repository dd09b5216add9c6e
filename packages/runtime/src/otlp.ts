import { randomUUID } from 'node:crypto'
import {
  type Attributes,
  type Context,
  DiagLogLevel,
  diag,
  type Link,
  SpanKind as OtelKind,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Logger } from './logger.ts'
import { parseTraceParent, type Span, type SpanKind, type TraceParent, type Tracing } from './tracing.ts'
import { troubleLog } from './trouble.ts'
import { VERSION } from './version.ts'
import { within } from './within.ts'

/*
 * Loaded by tracing.ts only if there is an endpoint: OpenTelemetry has 40 files that nothing else needs.
 */

export interface OtlpOptions {
  /** The collector's address; spans go to `/v1/traces` below it, as JSON. */
  endpoint: string
  serviceName: string
  headers: Readonly<Record<string, string>>
  /** The fraction of traces to keep, 0 to 1. The traceparent of a request takes precedence. */
  ratio: number
  logger: Logger
}

/** Maximum number of spans waiting to be sent; further ones are dropped. A span takes about 1 KB. */
const QUEUE = 8_192
const BATCH = 512
const SEND_EVERY_MS = 1_000
/** How long sending the last spans may take when the process stops, in milliseconds. */
const LAST_MS = 3_000
/** Maximum number of links of a span; a batch has at most 256 messages. */
const LINKS = 256

const KINDS: Readonly<Record<SpanKind, OtelKind>> = {
  internal: OtelKind.INTERNAL,
  server: OtelKind.SERVER,
  client: OtelKind.CLIENT,
  producer: OtelKind.PRODUCER,
  consumer: OtelKind.CONSUMER,
}

/** Opens tracing to a collector. Spans are sent in batches once a second, and dropped if too many are waiting. */
export function openOtlp({ endpoint, serviceName, headers, ratio, logger }: OtlpOptions): Tracing {
  const report = troubleLog(logger, 'spans could not be sent to the collector')
  reportTrouble(report)
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces`, headers: { ...headers } })
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.version': VERSION,
      'service.instance.id': randomUUID(),
    }),
    spanLimits: { linkCountLimit: LINKS, attributeValueLengthLimit: 256 },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: QUEUE,
        maxExportBatchSize: BATCH,
        scheduledDelayMillis: SEND_EVERY_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('parley', VERSION)
  return {
    tracer: {
      start(name, { kind = 'internal', parent, links = [], attributes, startedAt } = {}) {
        const span = tracer.startSpan(
          name,
          {
            kind: KINDS[kind],
            links: links.flatMap(linkTo),
            ...(attributes === undefined ? {} : { attributes }),
            ...(startedAt === undefined ? {} : { startTime: startedAt }),
          },
          contextOf(parent),
        )
        return span.isRecording() ? wrap(span) : undefined
      },
    },
    stop: () => within(LAST_MS, provider.shutdown().catch(report), () => undefined),
  }
}

function wrap(span: OtelSpan): Span {
  const { traceId, spanId } = span.spanContext()
  return {
    traceId,
    traceparent: `00-${traceId}-${spanId}-01`,
    attributes: (attributes) => void span.setAttributes(attributes as Attributes),
    link: (traceparent) => void span.addLinks(linkTo(traceparent)),
    end(error) {
      if (error !== undefined) {
        span.setAttribute('error.type', kindOf(error))
        span.setStatus({ code: SpanStatusCode.ERROR })
      }
      span.end()
    },
  }
}

/** Returns an error's code or name. Its message is not used, as it may contain user content. */
function kindOf(error: unknown): string {
  if (typeof error === 'string') return error
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

function spanContextOf(traceparent: TraceParent): SpanContext | undefined {
  const [, traceId, spanId, flags] = parseTraceParent(traceparent)?.split('-') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
}

function contextOf(parent: TraceParent | undefined): Context {
  const spanContext = parent === undefined ? undefined : spanContextOf(parent)
  return spanContext === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContext)
}

function linkTo(traceparent: TraceParent): Link[] {
  const context = spanContextOf(traceparent)
  return context === undefined ? [] : [{ context }]
}

/** Routes OpenTelemetry's own diagnostics, such as a collector that is down or refuses spans, to `report`. */
function reportTrouble(report: (trouble: unknown) => void): void {
  const silent = (): void => undefined
  diag.setLogger(
    { error: report, warn: report, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}
