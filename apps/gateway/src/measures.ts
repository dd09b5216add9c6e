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

/** Counters that a gateway's handlers update. */
export class GatewayMeasures {
  /** Events received, by name; unknown names are counted together. */
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

/** Registers all metrics of a gateway. docs/METRICS.md lists them; docs/OPERATIONS.md says what they mean to an operator. */
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
    'Requests, events and connections refused by a rate limit',
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
  metrics.gauge('parley_gateway_connections', 'Sockets connected to this gateway', [], () =>
    single(io.sockets.sockets.size),
  )
  metrics.counter('parley_gateway_connects_total', 'Sockets that connected', [], () => single(measures.connected))
  metrics.tally(
    'parley_gateway_disconnects_total',
    'Sockets that disconnected, by Socket.IO’s reason',
    'reason',
    () => measures.disconnected,
  )
  metrics.distribution(
    'parley_gateway_handshake_seconds',
    'Time from checking a socket’s token to joining its rooms, for accepted sockets',
    [],
    () => [[{}, measures.handshakes]],
  )
  metrics.counter(
    'parley_gateway_slow_readers_total',
    'Connections closed because the client was not reading',
    [],
    () => single(measures.slowReaders),
  )
  metrics.counter(
    'parley_gateway_resyncs_total',
    'Sockets told to sync after this gateway had lost Redis, or the database a part of its history',
    [],
    () => single(measures.resyncs),
  )
}

function showEvents(metrics: Metrics, { events, answers, eventErrors, handshakeErrors }: GatewayMeasures): void {
  metrics.tally('parley_socket_events_total', 'Events received from sockets, by name', 'event', () => events)
  metrics.tally('parley_socket_answers_total', 'Answers to events, with or without an ack', 'outcome', () => answers)
  metrics.counter('parley_errors_total', 'Errors returned to clients', ['surface', 'code'], () => [
    ...[...eventErrors.counts].map(([code, count]) => [{ surface: 'event', code }, count] as const),
    ...[...handshakeErrors.counts].map(([code, count]) => [{ surface: 'handshake', code }, count] as const),
  ])
}
