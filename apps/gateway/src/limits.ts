import type { IncomingMessage } from 'node:http'
import { ParleyError } from '@parley/protocol'
import { addressKey, clientAddress, Tally, type TrustedProxies, type TrustsProxy, trustsProxy } from '@parley/runtime'
import { LIMIT_WINDOW_MS, Windows } from '@parley/runtime/windows'

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

/**
 * Packets that a connection may send for each event that it may. An event past its limit is refused, which costs nearly as
 * much as one that is served: one body of 2 MB that a client posts holds some hundred thousand, and stopped a gateway for
 * ten seconds.
 */
const PACKETS_PER_EVENT = 5

/**
 * What one process takes. Windows of ten seconds, so that a client may well send a hundred events at once after it has
 * been away. In memory: a socket lives in one process, and a limit that waits for Redis would be the bottleneck.
 */
export class GatewayLimits {
  /** What was refused, by limit. */
  readonly refused = new Tally([
    'socket_events',
    'socket_events_in_flight',
    'socket_packets',
    'handshakes',
    'handshakes_per_address',
  ])
  readonly #maxInFlight: number
  readonly #events: Windows
  readonly #packets: Windows<object>
  readonly #handshakes: Windows
  readonly #perAddress: Windows
  readonly #trusts: TrustsProxy

  constructor(settings: LimitSettings) {
    this.#maxInFlight = settings.SOCKET_EVENTS_IN_FLIGHT
    this.#trusts = trustsProxy(settings.TRUSTED_PROXIES)
    this.#events = new Windows(settings.SOCKET_EVENTS_PER_10S, LIMIT_WINDOW_MS)
    this.#packets = new Windows(PACKETS_PER_EVENT * settings.SOCKET_EVENTS_PER_10S, LIMIT_WINDOW_MS)
    this.#handshakes = new Windows(settings.HANDSHAKES_PER_10S, LIMIT_WINDOW_MS)
    this.#perAddress = new Windows(settings.HANDSHAKES_PER_ADDRESS_PER_10S, LIMIT_WINDOW_MS)
  }

  /**
   * Counts an event of a socket that has `inFlight` unanswered ones.
   * @throws {ParleyError} RATE_LIMITED, with the time until the next is taken
   */
  takeEvent(socketId: string, inFlight: number): void {
    if (inFlight > this.#maxInFlight) {
      this.refused.add('socket_events_in_flight')
      throw new ParleyError('RATE_LIMITED', { message: `More than ${this.#maxInFlight} events are not answered yet.` })
    }
    this.#take('socket_events', this.#events, socketId)
  }

  /**
   * Counts a packet of any kind that came on a connection.
   * @throws {ParleyError} RATE_LIMITED
   */
  takePacket(connection: object): void {
    this.#take('socket_packets', this.#packets, connection)
  }

  /**
   * Counts a handshake. Each address is looked at first, so that one that floods uses up nobody else's share.
   * @throws {ParleyError} RATE_LIMITED
   */
  takeHandshake(request: IncomingMessage): void {
    this.#take('handshakes_per_address', this.#perAddress, addressKey(clientAddress(request, this.#trusts)))
    this.#take('handshakes', this.#handshakes, 'all')
  }

  #take<Key>(name: string, windows: Windows<Key>, key: Key): void {
    const retryAfterMs = windows.take(key)
    if (retryAfterMs === 0) return
    this.refused.add(name)
    throw new ParleyError('RATE_LIMITED', { retryAfterMs })
  }
}
