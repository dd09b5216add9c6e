import type { IncomingMessage } from 'node:http'
import { ParleyError } from '@parley/protocol'
import { addressKey, clientAddress, Tally, type TrustedProxies, type TrustsProxy, trustsProxy } from '@parley/runtime'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

export interface LimitSettings {
  /** Events that one socket may send in ten seconds; 0 for any number. */
  SOCKET_EVENTS_PER_10S: number
  /** Events of one socket that may be unanswered at a time. */
  SOCKET_EVENTS_IN_FLIGHT: number
  /** New connections that this process takes in ten seconds; 0 for any number. */
  HANDSHAKES_PER_10S: number
  /** New connections that it takes from one address in ten seconds; 0 for any number. */
  HANDSHAKES_PER_ADDRESS_PER_10S: number
  /** The balancers in front of this process: what they say in X-Forwarded-For is believed. */
  TRUSTED_PROXIES: TrustedProxies
}

const WINDOW_S = 10

/**
 * What one process takes. Windows of ten seconds, so that a client may well send a hundred events at once after it has
 * been away. In memory: a socket lives in one process, and a limit that waits for Redis would be the bottleneck.
 */
export class GatewayLimits {
  readonly #settings: LimitSettings
  /** What was refused, by limit. */
  readonly refused = new Tally(['socket_events', 'socket_events_in_flight', 'handshakes', 'handshakes_per_address'])
  readonly #handshakes: RateLimiterMemory | null
  readonly #perAddress: RateLimiterMemory | null
  readonly #trusts: TrustsProxy

  constructor(settings: LimitSettings) {
    this.#settings = settings
    this.#trusts = trustsProxy(settings.TRUSTED_PROXIES)
    this.#handshakes = limiter(settings.HANDSHAKES_PER_10S)
    this.#perAddress = limiter(settings.HANDSHAKES_PER_ADDRESS_PER_10S)
  }

  /**
   * Counts an event of a socket that has `inFlight` unanswered ones, this one too.
   * @throws {ParleyError} RATE_LIMITED, with the time until the next is taken
   */
  takeEvent(events: EventWindow, inFlight: number, now = performance.now()): void {
    const { SOCKET_EVENTS_IN_FLIGHT: maxInFlight, SOCKET_EVENTS_PER_10S: perWindow } = this.#settings
    if (inFlight > maxInFlight) {
      this.refused.add('socket_events_in_flight')
      throw new ParleyError('RATE_LIMITED', { message: `More than ${maxInFlight} events are not answered yet.` })
    }
    if (events.count(now) <= perWindow || perWindow === 0) return
    this.refused.add('socket_events')
    throw new ParleyError('RATE_LIMITED', { retryAfterMs: Math.max(1, Math.ceil(events.endsIn(now))) })
  }

  /**
   * Counts a handshake. Each address is looked at first, so that one that floods uses up nobody else's share.
   * @throws {ParleyError} RATE_LIMITED
   */
  async takeHandshake(request: IncomingMessage): Promise<void> {
    if (this.#perAddress !== null) {
      await this.#take('handshakes_per_address', this.#perAddress, addressKey(clientAddress(request, this.#trusts)))
    }
    if (this.#handshakes !== null) await this.#take('handshakes', this.#handshakes, 'all')
  }

  async #take(name: string, limits: RateLimiterMemory, key: string): Promise<void> {
    try {
      await limits.consume(key)
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error
      this.refused.add(name)
      throw new ParleyError('RATE_LIMITED', { retryAfterMs: Math.max(1, error.msBeforeNext) })
    }
  }
}

/**
 * The events of one socket, in windows that begin with the first event after the one before has ended. Two numbers instead
 * of a limiter's promise and entry for each event: that was 3% of a gateway's time under load.
 */
export class EventWindow {
  #ends = Number.NEGATIVE_INFINITY
  #count = 0

  /** Counts one. @returns how many the window has */
  count(now: number): number {
    if (now >= this.#ends) {
      this.#ends = now + WINDOW_S * 1_000
      this.#count = 0
    }
    return ++this.#count
  }

  /** Milliseconds until the next window. */
  endsIn(now: number): number {
    return this.#ends - now
  }
}

function limiter(points: number): RateLimiterMemory | null {
  return points === 0 ? null : new RateLimiterMemory({ points, duration: WINDOW_S })
}
