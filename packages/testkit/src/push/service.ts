/// <reference path="./http-ece.d.ts" />
import { createECDH, type ECDH, randomBytes, randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { type PushPayload, pushPayload } from '@parley/protocol'
import { decrypt } from 'http_ece'
import { createTestCertificate } from '../certificate.ts'
import { checkVapid } from './vapid.ts'

/** A browser on a device, as seen by its push service and its service worker. */
export interface TestDevice {
  readonly id: string
  /** The result of PushSubscription.toJSON(). */
  readonly subscription: { endpoint: string; expirationTime: null; keys: { p256dh: string; auth: string } }
}

/** A push that was received, whatever the response. */
export interface ReceivedPush {
  deviceId: string
  payload: PushPayload
  ttl: number
  urgency: string | undefined
  topic: string | undefined
  /** The Authorization header; its signature has been verified. */
  authorization: string
  /** The sender's contact from the VAPID token (`sub`). */
  subject: string
  /** The size of the encrypted body in bytes. */
  bytes: number
  status: number
  /** When it arrived, in milliseconds since 1970. */
  at: number
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

interface Subscribed {
  curve: ECDH
  auth: string
  answers: PushAnswer[]
}

const CREATED: PushAnswer = { status: 201 }

/** Starts a push service that validates pushes like real ones do; with `read` it also decrypts them. */
export async function startPushService({ vapidPublicKey, read = true }: PushServiceOptions): Promise<PushService> {
  const certificate = await createTestCertificate()
  const devices = new Map<string, Subscribed>()
  const pushes: ReceivedPush[] = []
  const errors: string[] = []
  const times: number[] = []
  const updates = new EventEmitter().setMaxListeners(0)
  let defaultAnswer: PushAnswer | null = null
  let connections = 0
  let count = 0

  const server = createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    take(request, response).catch((error: Error) => {
      errors.push(error.message)
      updates.emit('update')
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
    const answer = device.answers.shift() ?? defaultAnswer ?? CREATED
    if (read) {
      pushes.push(readPush(request, body, device, { origin, vapidPublicKey, deviceId, status: answer.status }))
      updates.emit('update')
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
      defaultAnswer = answer
    },
    shown: (device) =>
      pushes.filter(
        ({ deviceId, status }) => status >= 200 && status < 300 && (device === undefined || deviceId === device.id),
      ),
    until: (test, timeoutMs = 30_000) => waitUntil(updates, pushes, errors, test, timeoutMs),
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

/** A success includes the URL of the push resource (RFC 8030, section 5). */
function locationOf(origin: string, { status }: PushAnswer): Record<string, string> {
  return status === 201 ? { location: `${origin}/message/${randomUUID()}` } : {}
}

interface Context {
  origin: string
  vapidPublicKey: string
  deviceId: string
  status: number
}

/** @throws if the push is invalid, with the reason */
function readPush(
  { method, headers }: IncomingMessage,
  body: Buffer,
  { curve, auth }: Subscribed,
  { origin, vapidPublicKey, deviceId, status }: Context,
): ReceivedPush {
  const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined)
  if (method !== 'POST') throw new Error(`a push must be a POST, not a ${method}`)
  if (!/^\d+$/.test(text('ttl') ?? '')) throw new Error('a push must have a TTL')
  if (text('content-encoding') !== 'aes128gcm') throw new Error('a push must be encrypted with aes128gcm')
  if (body.length > 4_096) throw new Error(`a push must have at most 4096 bytes, not ${body.length}`)
  const topic = text('topic')
  if (topic !== undefined && !/^[\w-]{1,32}$/.test(topic)) throw new Error(`${topic} is not a valid Topic`)
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
