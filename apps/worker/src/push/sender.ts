import {
  ForbiddenAddressError,
  guardedLookup,
  isAllowedHost,
  type OutboundPolicy,
  type VapidKeys,
} from '@parley/runtime'
import { Agent } from 'undici'
import webPush from 'web-push'
import { type Outcome, outcomeOf } from './outcome.ts'
import { VapidTokens } from './vapid.ts'

/** Time limit for connecting to a push service, for its answer, and between two chunks of the answer; milliseconds. */
const TIMEOUT_MS = 10_000
/** Limit for a whole push, as a multiple of that: an answer could otherwise trickle in forever. */
const WHOLE_TIMEOUTS = 2
const KEEP_ALIVE_MS = 60_000
/** Most origins remembered as allowed. */
const ORIGINS_KEPT = 500
/** How much of a refusal is read for the log, in bytes. */
const DETAIL_BYTES = 512

/** A push's endpoint, and the keys to encrypt it with. */
export interface Device {
  endpoint: string
  p256dh: string
  auth: string
}

/** Headers of RFC 8030. */
export interface Delivery {
  ttlSeconds: number
  urgency: 'high' | 'normal'
  /** At most 32 characters of base64url. A newer push replaces an undelivered one with the same topic. */
  topic: string
}

export interface PushSenderOptions {
  keys: VapidKeys
  policy: OutboundPolicy
  /** Most connections to one push service. */
  perHost: number
  timeoutMs?: number
}

/**
 * Sends single pushes: encrypted (RFC 8291), signed (RFC 8292), over kept-alive connections. Network errors are outcomes, not
 * rejections. It never follows redirects and connects to public addresses only, unless the policy allows others.
 */
export class PushSender {
  readonly #tokens: VapidTokens
  readonly #called = new Set<string>()
  readonly #policy: OutboundPolicy
  readonly #agent: Agent
  readonly #wholeMs: number

  constructor({ keys, policy, perHost, timeoutMs = TIMEOUT_MS }: PushSenderOptions) {
    this.#tokens = new VapidTokens(keys)
    this.#policy = policy
    this.#wholeMs = WHOLE_TIMEOUTS * timeoutMs
    this.#agent = new Agent({
      connections: perHost,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { lookup: guardedLookup(policy), timeout: timeoutMs, rejectUnauthorized: true },
    })
  }

  async send(device: Device, payload: string, { ttlSeconds, urgency, topic }: Delivery): Promise<Outcome> {
    const url = new URL(device.endpoint)
    // Names are checked when they are resolved; a host that is an IP address never gets there, so it is checked here.
    if (!this.#mayCall(url)) return forbidden(url.hostname)
    try {
      const { headers, body } = webPush.generateRequestDetails(
        { endpoint: device.endpoint, keys: { p256dh: device.p256dh, auth: device.auth } },
        payload,
        { TTL: ttlSeconds, urgency, topic, contentEncoding: 'aes128gcm', vapidDetails: null as never },
      )
      return await this.#post(url, { ...headers, Authorization: this.#tokens.header(url.origin) }, body)
    } catch (error) {
      return failureOf(error, url.hostname)
    }
  }

  #mayCall(url: URL): boolean {
    if (this.#called.has(url.origin)) return true
    if (url.protocol !== 'https:' || !isAllowedHost(url.hostname, this.#policy)) return false
    if (this.#called.size >= ORIGINS_KEPT) this.#called.clear()
    this.#called.add(url.origin)
    return true
  }

  async #post(url: URL, headers: Record<string, unknown>, body: Buffer): Promise<Outcome> {
    const answer = await this.#agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'POST',
      headers: Object.entries(headers).flatMap(([name, value]) => [name, String(value)]),
      body,
      signal: AbortSignal.timeout(this.#wholeMs),
    })
    const retryAfter = answer.headers['retry-after']
    const outcome = outcomeOf(answer.statusCode, typeof retryAfter === 'string' ? retryAfter : undefined)
    if (outcome.kind === 'refused') return { ...outcome, detail: await beginningOf(answer.body) }
    // The body is of no interest; it is read so that the connection can be reused.
    void answer.body.dump().catch(() => undefined)
    return outcome
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

/** Returns the beginning of an answer, as far as it arrives, as text for the log. Does not wait for the rest. */
async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      size += chunk.length
      if (size >= DETAIL_BYTES) break
    }
  } catch {
    // The status alone decides what to do.
  }
  return Buffer.concat(chunks).subarray(0, DETAIL_BYTES).toString('utf8')
}

function forbidden(hostname: string): Outcome {
  return { kind: 'refused', reason: 'address', detail: `${hostname} is not a public address` }
}

/** Turns an error into an outcome: network and TLS errors may pass, a forbidden address stays forbidden. */
function failureOf(error: unknown, hostname: string): Outcome {
  if (error instanceof ForbiddenAddressError) return forbidden(hostname)
  if (!(error instanceof Error)) return { kind: 'later', reason: 'network', afterMs: null }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return { kind: 'later', reason: /TIMEOUT|Timeout|TimeoutError/.test(code) ? 'timeout' : 'network', afterMs: null }
}
