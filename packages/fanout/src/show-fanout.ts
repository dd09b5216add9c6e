import type { Metrics } from '@parley/runtime'
import { single } from '@parley/runtime'
import type { Bus } from './bus.ts'
import type { GatewayRooms } from './gateway-rooms.ts'
import type { PublishedWatermark } from './watermark.ts'

/** Registers metrics of what a process publishes. */
export function showPublishing(metrics: Metrics, bus: Bus, watermark?: PublishedWatermark): void {
  metrics.counter('parley_publishes_total', 'Publishes to Redis', [], () => single(bus.publishes))
  metrics.counter('parley_publishes_failed_total', 'Publishes that Redis did not accept', [], () =>
    single(bus.failedPublishes),
  )
  if (watermark === undefined) return
  metrics.distribution(
    'parley_publish_seconds',
    'From the commit of a batch until Redis has accepted all of its publishes',
    [],
    () => [[{}, watermark.publishing]],
  )
}

/** Registers metrics of what a gateway writes to its sockets. */
export function showDeliveries(metrics: Metrics, rooms: GatewayRooms): void {
  metrics.counter('parley_deliveries_total', 'Packets written to sockets, by content', ['kind'], () => [
    [{ kind: 'message' }, rooms.delivered.messages],
    [{ kind: 'event' }, rooms.delivered.events],
  ])
  metrics.counter(
    'parley_fanout_fetches_total',
    'Lookups in the database of messages that did not arrive in time',
    [],
    () => single(rooms.delivered.fetches),
  )
}
