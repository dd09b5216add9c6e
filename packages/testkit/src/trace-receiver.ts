import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { listenOnLoopback } from './listen.ts'

/** A span as received by a collector. */
export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  name: string
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  links: readonly { traceId: string; spanId: string }[]
  attributes: Readonly<Record<string, unknown>>
  /** 2 is an error. */
  status: number
  /** `service.name`, and the id of the process (`service.instance.id`). */
  service: string
  instance: string
}

/** A trace collector for tests: receives OTLP over HTTP as JSON. */
export interface TraceReceiver extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string
  readonly spans: readonly ReceivedSpan[]
  /** The raw request bodies. */
  readonly bodies: readonly string[]
  /** The headers of the requests. */
  readonly headers: readonly IncomingMessage['headers'][]
  /** Resolves when `test` accepts the spans received; rejects with their names after `timeoutMs` (default 30,000). */
  until(test: (spans: readonly ReceivedSpan[]) => boolean, timeoutMs?: number): Promise<readonly ReceivedSpan[]>
}

/** Starts a collector that keeps the spans it receives. */
export async function startTraceReceiver(): Promise<TraceReceiver> {
  const spans: ReceivedSpan[] = []
  const bodies: string[] = []
  const headers: IncomingMessage['headers'][] = []
  const updates = new EventEmitter()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const accepted = request.method === 'POST' && request.url === '/v1/traces'
    response.writeHead(accepted ? 200 : 404, { 'content-type': 'application/json' }).end('{}')
    if (!accepted) return
    bodies.push(body)
    headers.push(request.headers)
    spans.push(...spansOf(JSON.parse(body) as OtlpBody))
    updates.emit('update')
  })
  return {
    url: `http://127.0.0.1:${await listenOnLoopback(server)}`,
    spans,
    bodies,
    headers,
    until: (test, timeoutMs = 30_000) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!test(spans)) return
          end()
          resolve(spans)
        }
        const end = () => {
          clearTimeout(timer)
          updates.off('update', check)
        }
        const timer = setTimeout(() => {
          end()
          reject(new Error(`Not within ${timeoutMs} ms. Spans received: ${spans.map(({ name }) => name).join(', ')}`))
        }, timeoutMs)
        updates.on('update', check)
        check()
      }),
    [Symbol.asyncDispose]: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

interface OtlpBody {
  resourceSpans: { resource: { attributes: OtlpAttribute[] }; scopeSpans: { spans: OtlpSpan[] }[] }[]
}

interface OtlpAttribute {
  key: string
  value: Record<string, unknown>
}

interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  links?: { traceId: string; spanId: string }[]
  attributes?: OtlpAttribute[]
  status?: { code?: number }
}

function spansOf({ resourceSpans }: OtlpBody): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const about = valuesOf(resource.attributes)
    const [service, instance] = [String(about['service.name']), String(about['service.instance.id'])]
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ traceId, spanId, parentSpanId, name, kind, links = [], attributes = [], status }) => ({
        ...{ traceId, spanId, name, kind, links, service, instance },
        parentSpanId: parentSpanId === '' ? undefined : parentSpanId,
        attributes: valuesOf(attributes),
        status: status?.code ?? 0,
      }))
  })
}

function valuesOf(attributes: readonly OtlpAttribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
