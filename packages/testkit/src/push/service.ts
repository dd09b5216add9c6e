import { createECDH, randomBytes, randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { createTestCertificate, type TestCertificate } from '../certificate.ts'
import { listenOnLoopback } from '../listen.ts'
import { type ReceivedPush, readPush, type SubscriptionKeys } from './received-push.ts'

/** A browser on a device, as seen by its push service and its service worker. */
export interface TestDevice {
  readonly id: string
  /** The result of PushSubscription.toJSON(). */
  readonly subscription: { endpoint: string; expirationTime: null; keys: { p256dh: string; auth: string } }
}

/** The response to a push; a promise in `after` delays it. */
export interface PushAnswer {
  /** The HTTP status; 0 closes the connection instead. */
  status: number
  headers?: Record<string, string>
  body?: string
  after?: Promise<unknown>
}

export interface PushServiceOptions {
  /** The public key that devices subscribe with. */
  vapidPublicKey: string
  /** False accepts pushes without reading them, for measurements. */
  read?: boolean
}

/** An RFC 8030 push service on loopback, with real TLS. */
export interface PushService extends AsyncDisposable {
  readonly origin: string
  /** For NODE_EXTRA_CA_CERTS of the sending processes. */
  readonly caFile: string
  /** All pushes in order of arrival. */
  readonly pushes: readonly ReceivedPush[]
  /** The problems of rejected pushes: bad headers, signatures or bodies. */
  readonly errors: readonly string[]
  /** The number of connections opened so far. */
  readonly connections: number
  /** The number of pushes, including unread ones, and the time of each in milliseconds since 1970. */
  readonly count: number
  readonly times: number[]
  subscribe(): TestDevice
  /** Sets the responses to the next pushes to a device; after those, 201. */
  answer(device: TestDevice, ...answers: PushAnswer[]): void
  /** Sets the response to all pushes without one of their own; null resets it to 201. */
  answerAll(answer: PushAnswer | null): void
  /** Returns the pushes to a device (to any if omitted) that were accepted. */
  shown(device?: TestDevice): ReceivedPush[]
  /**
   * Resolves when `test` accepts the pushes received, checking on each push. Rejects with those received after `timeoutMs`
   * (default 30,000).
   */
  until(test: (pushes: readonly ReceivedPush[]) => boolean, timeoutMs?: number): Promise<readonly ReceivedPush[]>
}

interface Subscribed extends SubscriptionKeys {
  answers: PushAnswer[]
}

const CREATED: PushAnswer = { status: 201 }

/** Starts a push service that validates pushes like real ones do; with `read` it also decrypts them. */
export async function startPushService({ vapidPublicKey, read = true }: PushServiceOptions): Promise<PushService> {
  const certificate = await createTestCertificate()
  const server = createServer({ key: certificate.key, cert: certificate.cert })
  server.keepAliveTimeout = 60_000
  const origin = `https://127.0.0.1:${await listenOnLoopback(server)}`
  return new LoopbackPushService({ certificate, server, origin, vapidPublicKey, read })
}

interface Parts {
  certificate: TestCertificate
  server: Server
  origin: string
  vapidPublicKey: string
  read: boolean
}

class LoopbackPushService implements PushService {
  readonly origin: string
  readonly caFile: string
  readonly pushes: ReceivedPush[] = []
  readonly errors: string[] = []
  readonly times: number[] = []
  connections = 0
  count = 0
  readonly #parts: Parts
  readonly #devices = new Map<string, Subscribed>()
  readonly #updates = new EventEmitter().setMaxListeners(0)
  #defaultAnswer: PushAnswer | null = null

  constructor(parts: Parts) {
    this.#parts = parts
    this.origin = parts.origin
    this.caFile = parts.certificate.caFile
    parts.server.on('secureConnection', () => this.connections++)
    parts.server.on('request', (request, response) => {
      this.#receive(request, response).catch((error: Error) => {
        this.errors.push(error.message)
        this.#updates.emit('update')
        response.writeHead(400).end(error.message)
      })
    })
  }

  subscribe(): TestDevice {
    const [id, curve, auth] = [randomUUID(), createECDH('prime256v1'), randomBytes(16).toString('base64url')]
    const p256dh = curve.generateKeys().toString('base64url')
    this.#devices.set(id, { curve, auth, answers: [] })
    return { id, subscription: { endpoint: `${this.origin}/push/${id}`, expirationTime: null, keys: { p256dh, auth } } }
  }

  answer(device: TestDevice, ...answers: PushAnswer[]): void {
    this.#devices.get(device.id)?.answers.push(...answers)
  }

  answerAll(answer: PushAnswer | null): void {
    this.#defaultAnswer = answer
  }

  shown(device?: TestDevice): ReceivedPush[] {
    return this.pushes.filter(
      ({ deviceId, status }) => status >= 200 && status < 300 && (device === undefined || deviceId === device.id),
    )
  }

  until(test: (pushes: readonly ReceivedPush[]) => boolean, timeoutMs = 30_000): Promise<readonly ReceivedPush[]> {
    return waitUntil(this.#updates, this.pushes, this.errors, test, timeoutMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { server, certificate } = this.#parts
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
    await certificate[Symbol.asyncDispose]()
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { origin, vapidPublicKey, read } = this.#parts
    const deviceId = /^\/push\/([\w-]+)$/.exec(request.url ?? '')?.[1] ?? ''
    const device = this.#devices.get(deviceId)
    const body = await bodyOf(request)
    this.count++
    this.times.push(Date.now())
    if (device === undefined) return void response.writeHead(404).end()
    const answer = device.answers.shift() ?? this.#defaultAnswer ?? CREATED
    if (read) {
      this.pushes.push(readPush(request, body, device, { origin, vapidPublicKey, deviceId, status: answer.status }))
      this.#updates.emit('update')
    }
    await answer.after
    if (answer.status === 0) return void request.socket.destroy()
    response.writeHead(answer.status, { ...locationOf(origin, answer), ...answer.headers }).end(answer.body)
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A success includes the URL of the push resource (RFC 8030, section 5). */
function locationOf(origin: string, { status }: PushAnswer): Record<string, string> {
  return status === 201 ? { location: `${origin}/message/${randomUUID()}` } : {}
}

function waitUntil(
  updates: EventEmitter,
  pushes: readonly ReceivedPush[],
  errors: readonly string[],
  test: (pushes: readonly ReceivedPush[]) => boolean,
  timeoutMs: number,
): Promise<readonly ReceivedPush[]> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      updates.off('update', check)
    }
    const check = () => {
      if (!test(pushes)) return
      end()
      resolve(pushes)
    }
    const timer = setTimeout(() => {
      end()
      const received = pushes.slice(-20).map(({ status, payload }) => `${status} ${JSON.stringify(payload)}`)
      reject(
        new Error(`Not within ${timeoutMs} ms. Pushes received: ${received.join('\n') || 'none'}; errors: ${errors}`),
      )
    }, timeoutMs)
    updates.on('update', check)
    check()
  })
}
