/// <reference path="./http-ece.d.ts" />
import { createECDH, type ECDH, randomBytes, randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { type PushPayload, pushPayload } from '@parley/protocol'
import { decrypt } from 'http_ece'
import { createTestCertificate } from '../certificate.ts'
import { checkVapid } from './vapid.ts'

/** A browser on a device, as its push service and its service worker see it. */
export interface TestDevice {
  readonly id: string
  /** What PushSubscription.toJSON() gives. */
  readonly subscription: { endpoint: string; expirationTime: null; keys: { p256dh: string; auth: string } }
}

/** One push that came, whatever it was answered. */
export interface ReceivedPush {
  deviceId: string
  payload: PushPayload
  ttl: number
  urgency: string | undefined
  topic: string | undefined
  /** The Authorization header, its signature checked. */
  authorization: string
  /** Whom it names as the sender. */
  subject: string
  /** Size of the encrypted body, in bytes. */
  bytes: number
  status: number
  /** By Date.now(). */
  at: number
}

/** What the service says to a push. A promise holds the answer back. */
export interface PushAnswer {
  /** 0 cuts the connection instead. */
  status: number
  headers?: Record<string, string>
  body?: string
  after?: Promise<unknown>
}

export interface PushServiceOptions {
  /** The key that devices are subscribed with. */
  vapidPublicKey: string
  /** False takes pushes unread, for measuring. */
  read?: boolean
}

/** A push service of RFC 8030 on loopback, over real TLS. */
export interface PushService extends AsyncDisposable {
  readonly origin: string
  /** For NODE_EXTRA_CA_CERTS of whoever pushes. */
  readonly caFile: string
  /** All pushes in the order in which they came. */
  readonly pushes: readonly ReceivedPush[]
  /** What was wrong with pushes that could not be taken: bad headers, signatures, bodies. */
  readonly errors: readonly string[]
  /** Connections that were opened so far. */
  readonly connections: number
  /** How many came, also when they are not read, and when each did, by Date.now(). */
  readonly count: number
  readonly times: number[]
  subscribe(): TestDevice
  /** Answers for the next pushes to a device; 201 after those. */
  answer(device: TestDevice, ...answers: PushAnswer[]): void
  /** The answer to all pushes that have none of their own; null goes back to 201. */
  answerAll(answer: PushAnswer | null): void
  /** Pushes to a device (any if left out) that were answered with success. */
  shown(device?: TestDevice): ReceivedPush[]
  /**
   * Resolves when `test` holds of what has come; looks again at each push. Rejects with what came after `timeoutMs`, by
   * default 30,000.
   */
  until(test: (pushes: readonly ReceivedPush[]) => boolean, timeoutMs?: number): Promise<readonly ReceivedPush[]>
}

interface Subscribed {
  curve: ECDH
  auth: string
  answers: PushAnswer[]
}

const CREATED: PushAnswer = { status: 201 }

/** Starts a push service that checks what it is sent as real ones do; with `read` it decrypts it, too. */
export async function startPushService({ vapidPublicKey, read = true }: PushServiceOptions): Promise<PushService> {
  const certificate = await createTestCertificate()
  const devices = new Map<string, Subscribed>()
  const pushes: ReceivedPush[] = []
  const errors: string[] = []
  const times: number[] = []
  const news = new EventEmitter().setMaxListeners(0)
  let common: PushAnswer | null = null
  let connections = 0
  let count = 0

  const server = createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    take(request, response).catch((error: Error) => {
      errors.push(error.message)
      news.emit('news')
      response.writeHead(400).end(error.message)
    })
  })
  server.keepAliveTimeout = 60_000
  server.on('secureConnection', () => connections++)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const origin = `https://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const deviceId = /^\/push\/([\w-]+)$/.exec(request.url ?? '')?.[1] ?? ''
    const device = devices.get(deviceId)
    const body = await bodyOf(request)
    count++
    times.push(Date.now())
    if (device === undefined) return void response.writeHead(404).end()
    const answer = device.answers.shift() ?? common ?? CREATED
    if (read) {
      pushes.push(readPush(request, body, device, { origin, vapidPublicKey, deviceId, status: answer.status }))
      news.emit('news')
    }
    await answer.after
    if (answer.status === 0) return void request.socket.destroy()
    response.writeHead(answer.status, { ...locationOf(origin, answer), ...answer.headers }).end(answer.body)
  }

  return {
    origin,
    caFile: certificate.caFile,
    pushes,
    errors,
    times,
    get connections() {
      return connections
    },
    get count() {
      return count
    },
    subscribe() {
      const [id, curve, auth] = [randomUUID(), createECDH('prime256v1'), randomBytes(16).toString('base64url')]
      const p256dh = curve.generateKeys().toString('base64url')
      devices.set(id, { curve, auth, answers: [] })
      return { id, subscription: { endpoint: `${origin}/push/${id}`, expirationTime: null, keys: { p256dh, auth } } }
    },
    answer: (device, ...answers) => void devices.get(device.id)?.answers.push(...answers),
    answerAll: (answer) => {
      common = answer
    },
    shown: (device) =>
      pushes.filter(
        ({ deviceId, status }) => status >= 200 && status < 300 && (device === undefined || deviceId === device.id),
      ),
    until: (test, timeoutMs = 30_000) => waitUntil(news, pushes, errors, test, timeoutMs),
    [Symbol.asyncDispose]: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      await certificate[Symbol.asyncDispose]()
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Success names where the push is kept (RFC 8030, 5). */
function locationOf(origin: string, { status }: PushAnswer): Record<string, string> {
  return status === 201 ? { location: `${origin}/message/${randomUUID()}` } : {}
}

interface Context {
  origin: string
  vapidPublicKey: string
  deviceId: string
  status: number
}

/** @throws what is wrong with the push */
function readPush(
  { method, headers }: IncomingMessage,
  body: Buffer,
  { curve, auth }: Subscribed,
  { origin, vapidPublicKey, deviceId, status }: Context,
): ReceivedPush {
  const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined)
  if (method !== 'POST') throw new Error(`a push is a POST, not a ${method}`)
  if (!/^\d+$/.test(text('ttl') ?? '')) throw new Error('a push has a TTL')
  if (text('content-encoding') !== 'aes128gcm') throw new Error('a push is encrypted by aes128gcm')
  if (body.length > 4_096) throw new Error(`a push has at most 4096 bytes, not ${body.length}`)
  const topic = text('topic')
  if (topic !== undefined && !/^[\w-]{1,32}$/.test(topic)) throw new Error(`a Topic is no ${topic}`)
  const authorization = text('authorization') ?? ''
  const { sub: subject } = checkVapid(authorization, origin, vapidPublicKey)
  const plain = decrypt(body, { version: 'aes128gcm', privateKey: curve, authSecret: auth })
  return {
    deviceId,
    payload: pushPayload.parse(JSON.parse(plain.toString())),
    ttl: Number(text('ttl')),
    urgency: text('urgency'),
    topic,
    authorization,
    subject,
    bytes: body.length,
    status,
    at: Date.now(),
  }
}

function waitUntil(
  news: EventEmitter,
  pushes: readonly ReceivedPush[],
  errors: readonly string[],
  test: (pushes: readonly ReceivedPush[]) => boolean,
  timeoutMs: number,
): Promise<readonly ReceivedPush[]> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      news.off('news', look)
    }
    const look = () => {
      if (!test(pushes)) return
      end()
      resolve(pushes)
    }
    const timer = setTimeout(() => {
      end()
      const came = pushes.slice(-20).map(({ status, payload }) => `${status} ${JSON.stringify(payload)}`)
      reject(new Error(`Not within ${timeoutMs} ms. Pushes that came: ${came.join('\n') || 'none'}; errors: ${errors}`))
    }, timeoutMs)
    news.on('news', look)
    look()
  })
}
