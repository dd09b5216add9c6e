import type { Metrics } from '@parley/runtime'
import { single } from '@parley/runtime'
import type { Bus } from './bus.ts'
import type { GatewayRooms } from './gateway-rooms.ts'
import type { PublishedWatermark } from './watermark.ts'

/** Shows what a process publishes. */
export function showPublishing(metrics: Metrics, bus: Bus, watermark?: PublishedWatermark): void {
  metrics.counter('parley_publishes_total', 'Publishes to Redis', [], () => single(bus.publishes))
  metrics.counter('parley_publishes_failed_total', 'Publishes that Redis did not take', [], () =>
    single(bus.failedPublishes),
  )
  if (watermark === undefined) return
  metrics.distribution(
    'parley_publish_seconds',
    'From a batch’s commit to Redis having taken all of its publishes',
    [],
    () => [[{}, watermark.publishing]],
  )
}

/** Shows what a gateway writes to its sockets. */
export function showDeliveries(metrics: Metrics, rooms: GatewayRooms): void {
  metrics.counter('parley_deliveries_total', 'Packets written to sockets, by what they hold', ['kind'], () => [
    [{ kind: 'message' }, rooms.delivered.messages],
    [{ kind: 'event' }, rooms.delivered.events],
  ])
  metrics.counter(
    'parley_fanout_fetches_total',
    'Times that messages did not arrive in time and were looked up in the database',
    [],
    () => single(rooms.delivered.fetches),
  )
}
