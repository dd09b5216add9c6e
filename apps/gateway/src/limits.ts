import type { IncomingMessage } from 'node:http'
import { ParleyError } from '@parley/protocol'
import { addressKey, clientAddress, Tally, type TrustedProxies, type TrustsProxy, trustsProxy } from '@parley/runtime'
import { LIMIT_WINDOW_MS, Windows } from '@parley/runtime/windows'

export interface LimitSettings {
  /** Events that one socket may send in ten seconds; 0 for any number. */
  SOCKET_EVENTS_PER_10S: number
  /** Events of one socket that may be unanswered at the same time. */
  SOCKET_EVENTS_IN_FLIGHT: number
  /** New connections that this process accepts in ten seconds; 0 for any number. */
  HANDSHAKES_PER_10S: number
  /** New connections that this process accepts from one address in ten seconds; 0 for any number. */
  HANDSHAKES_PER_ADDRESS_PER_10S: number
  /** The balancers in front of this process, whose X-Forwarded-For is trusted. */
  TRUSTED_PROXIES: TrustedProxies
}

/**
 * Packets allowed per allowed event. Refusing an event costs nearly as much as serving it, so packets have a limit of their
 * own: a single 2 MB POST body can hold a hundred thousand, and such a body blocked a gateway for ten seconds.
 */
const PACKETS_PER_EVENT = 5

/** Between the packets of a body, in Engine.IO's protocol. */
const SEPARATOR = '\x1e'

/**
 * The rate limits of one gateway. Windows are ten seconds long, so that a client can send a hundred events at once after being
 * offline. Counted in memory: a socket lives in one process, and asking Redis each time would be the bottleneck.
 */
export class GatewayLimits {
  /** Refusals by limit. */
  readonly refused = new Tally([
    'socket_events',
    'socket_events_in_flight',
    'socket_packets',
    'handshakes',
    'handshakes_per_address',
  ])
  readonly #maxInFlight: number
  readonly #events: Windows
  readonly #maxPackets: number
  readonly #packets: Windows<object>
  readonly #handshakes: Windows
  readonly #perAddress: Windows
  readonly #trusts: TrustsProxy

  constructor(settings: LimitSettings) {
    this.#maxInFlight = settings.SOCKET_EVENTS_IN_FLIGHT
    this.#trusts = trustsProxy(settings.TRUSTED_PROXIES)
    this.#events = new Windows(settings.SOCKET_EVENTS_PER_10S, LIMIT_WINDOW_MS)
    this.#maxPackets = PACKETS_PER_EVENT * settings.SOCKET_EVENTS_PER_10S
    this.#packets = new Windows(this.#maxPackets, LIMIT_WINDOW_MS)
    this.#handshakes = new Windows(settings.HANDSHAKES_PER_10S, LIMIT_WINDOW_MS)
    this.#perAddress = new Windows(settings.HANDSHAKES_PER_ADDRESS_PER_10S, LIMIT_WINDOW_MS)
  }

  /**
   * Counts an event of a socket that has `inFlight` unanswered events.
   * @throws {ParleyError} RATE_LIMITED, with the time until the next one is accepted
   */
  takeEvent(socketId: string, inFlight: number): void {
    if (inFlight > this.#maxInFlight) {
      this.refused.add('socket_events_in_flight')
      throw new ParleyError('RATE_LIMITED', { message: `More than ${this.#maxInFlight} events are still unanswered.` })
    }
    this.#take('socket_events', this.#events, socketId)
  }

  /**
   * Checks the body of a POST before it is split into packets: one that holds more than a connection may send in ten seconds is
   * refused unread. Splitting a million packets took a third of a second.
   * @throws {ParleyError} RATE_LIMITED
   */
  requireFewPackets(body: string): void {
    if (this.#maxPackets === 0) return
    let packets = 1
    for (let at = body.indexOf(SEPARATOR); at !== -1; at = body.indexOf(SEPARATOR, at + 1)) {
      if (++packets <= this.#maxPackets) continue
      this.refused.add('socket_packets')
      throw new ParleyError('RATE_LIMITED')
    }
  }

  /**
   * Counts a packet of any kind received on a connection.
   * @throws {ParleyError} RATE_LIMITED
   */
  takePacket(connection: object): void {
    this.#take('socket_packets', this.#packets, connection)
  }

  /**
   * Counts a new connection. The limit per address comes first, so that a flood from one address does not use up the total.
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
