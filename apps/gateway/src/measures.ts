import type { Database } from '@parley/db'
import { type Bus, type GatewayRooms, type PublishedWatermark, showDeliveries, showPublishing } from '@parley/fanout'
import { type Measured, showCommits } from '@parley/messaging'
import type { Presence } from '@parley/presence'
import { clientEvents, ERRORS } from '@parley/protocol'
import { redisConnections } from '@parley/redis'
import {
  Distribution,
  type Health,
  LATENCY_SECONDS,
  Metrics,
  single,
  Tally,
  VERSION,
  watchPools,
  watchRedis,
} from '@parley/runtime'
import type { Server } from 'socket.io'
import type { GatewayLimits } from './limits.ts'

/** What the handlers of a gateway count. */
export class GatewayMeasures {
  /** Events that came, by name; names that are not ours are one. */
  readonly events = new Tally([...Object.keys(clientEvents), 'unknown'])
  readonly answers = new Tally(['ok', 'error'])
  readonly eventErrors = new Tally(Object.keys(ERRORS))
  readonly handshakeErrors = new Tally(Object.keys(ERRORS))
  readonly handshakes = new Distribution(LATENCY_SECONDS)
  connected = 0
  /** By Socket.IO's reason. */
  readonly disconnected = new Tally()
  slowReaders = 0
  resyncs = 0
}

export interface GatewayMetricsOptions {
  measures: GatewayMeasures
  health: Health
  db: Database
  bus: Bus
  watermark: PublishedWatermark
  rooms: GatewayRooms
  limits: GatewayLimits
  io: Server
  presence: Presence
  writers: Record<'messages' | 'reads', Measured>
}

/** All of a gateway's numbers. What each means to an operator is in docs/OPERATIONS.md; docs/METRICS.md lists them. */
export function gatewayMetrics(options: GatewayMetricsOptions): Metrics {
  const { measures, health, db, bus, watermark, rooms, limits, presence, writers } = options
  const metrics = new Metrics('gateway', VERSION)
  health.show(metrics)
  watchRedis(metrics, redisConnections)
  watchPools(metrics, { primary: db.pool })
  showCommits(metrics, writers)
  showPublishing(metrics, bus, watermark)
  showDeliveries(metrics, rooms)
  metrics.tally(
    'parley_rate_limited_total',
    'What was refused for coming too fast, by limit',
    'limit',
    () => limits.refused,
  )
  metrics.gauge('parley_presence_lease_held', 'Whether the gateway holds its presence lease (1) or not (0)', [], () =>
    single(presence.leaseHeld ? 1 : 0),
  )
  metrics.gauge('parley_presence_people', 'People with a connection to this gateway', [], () => single(presence.people))
  showSockets(metrics, options)
  showEvents(metrics, measures)
  return metrics
}

function showSockets(metrics: Metrics, { io, measures }: GatewayMetricsOptions): void {
  metrics.gauge('parley_gateway_connections', 'Sockets that are connected to this gateway', [], () =>
    single(io.sockets.sockets.size),
  )
  metrics.counter('parley_gateway_connects_total', 'Sockets that connected', [], () => single(measures.connected))
  metrics.tally(
    'parley_gateway_disconnects_total',
    'Sockets that went, by Socket.IO’s reason',
    'reason',
    () => measures.disconnected,
  )
  metrics.distribution(
    'parley_gateway_handshake_seconds',
    'From a socket’s token to its rooms, of those that were let in',
    [],
    () => [[{}, measures.handshakes]],
  )
  metrics.counter('parley_gateway_slow_readers_total', 'Connections closed because they did not read', [], () =>
    single(measures.slowReaders),
  )
  metrics.counter(
    'parley_gateway_resyncs_total',
    'Sockets asked to sync after this gateway was cut off from Redis',
    [],
    () => single(measures.resyncs),
  )
}

function showEvents(metrics: Metrics, { events, answers, eventErrors, handshakeErrors }: GatewayMeasures): void {
  metrics.tally('parley_socket_events_total', 'Events that came from sockets, by name', 'event', () => events)
  metrics.tally('parley_socket_answers_total', 'Answers to events, acks or not', 'outcome', () => answers)
  metrics.counter('parley_errors_total', 'Errors that clients were answered with', ['surface', 'code'], () => [
    ...[...eventErrors.counts].map(([code, count]) => [{ surface: 'event', code }, count] as const),
    ...[...handshakeErrors.counts].map(([code, count]) => [{ surface: 'handshake', code }, count] as const),
  ])
}
