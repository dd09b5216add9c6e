import { deletePushDevice, type PushDeviceRow, pausePushDevice } from '@parley/db'
import type { PushPayload } from '@parley/protocol'
import { backoffMs } from '@parley/runtime/backoff'
import type { PushDeps } from './deps.ts'
import { encodePayload, SHORT_PAYLOAD_BYTES } from './notification.ts'
import type { Outcome } from './outcome.ts'
import type { Delivery, Device } from './sender.ts'

const BACKOFF_FIRST_MS = 2_000
const BACKOFF_MAX_MS = 10 * 60_000

/** What the caller has to do: record the push, nothing (the device is gone), retry at `at`, or give up. */
export type Told =
  | { kind: 'told' }
  | { kind: 'gone' }
  | { kind: 'later'; at: number }
  | { kind: 'refused'; reason: string }

/**
 * Pushes to one device, unless its push service has asked for a pause, and deletes or pauses the device if the answer says so.
 */
export async function tell(
  deps: Pick<PushDeps, 'db' | 'sender' | 'metrics' | 'logger' | 'tracer' | 'trace'>,
  device: Device & Pick<PushDeviceRow, 'id' | 'retry_at'>,
  payload: PushPayload,
  delivery: Delivery,
  tries: number,
): Promise<Told> {
  const pausedUntil = device.retry_at === null ? 0 : Date.parse(device.retry_at)
  if (pausedUntil > Date.now()) return { kind: 'later', at: pausedUntil }
  const outcome = await sendTraced(deps, device, payload, delivery)
  const { metrics } = deps
  switch (outcome.kind) {
    case 'sent':
      metrics.sent(payload.data.type)
      return { kind: 'told' }
    case 'gone':
      metrics.failed(String(outcome.status))
      metrics.deviceRemoved()
      await deletePushDevice(deps.db.pool, device.id)
      return { kind: 'gone' }
    case 'later': {
      metrics.failed(outcome.reason)
      const wait = Math.max(outcome.afterMs ?? 0, backoffMs(tries + 1, BACKOFF_FIRST_MS, BACKOFF_MAX_MS))
      const at = Date.now() + Math.min(wait, delivery.ttlSeconds * 1_000)
      // Retry-After is about the device, not this notification: other pushes to it wait as well.
      if (outcome.afterMs !== null) await pausePushDevice(deps.db.pool, device.id, new Date(at))
      return { kind: 'later', at }
    }
    case 'too large':
      metrics.failed('413')
      return { kind: 'refused', reason: '413' }
    case 'refused':
      metrics.failed(outcome.reason)
      logOnce(deps, device, outcome)
      return { kind: 'refused', reason: outcome.reason }
  }
}

/** Calls the push service in a span that records the outcome but not the recipient. */
async function sendTraced(
  { sender, metrics, tracer, trace }: Pick<PushDeps, 'sender' | 'metrics' | 'tracer' | 'trace'>,
  device: Device,
  payload: PushPayload,
  delivery: Delivery,
): Promise<Outcome> {
  const span = trace === undefined ? undefined : tracer?.start('send push', { kind: 'client', parent: trace })
  const outcome = await sendFitting({ sender, metrics }, device, payload, delivery)
  span?.attributes({ 'server.address': new URL(device.endpoint).hostname, 'parley.push.outcome': outcome.kind })
  span?.end(outcome.kind === 'sent' || outcome.kind === 'gone' ? undefined : outcome.kind)
  return outcome
}

/** Sends the payload, and a shorter one at once if the push service finds it too large. */
async function sendFitting(
  { sender, metrics }: Pick<PushDeps, 'sender' | 'metrics'>,
  device: Device,
  payload: PushPayload,
  delivery: Delivery,
): Promise<Outcome> {
  const outcome = await sender.send(device, encodePayload(payload), delivery)
  if (outcome.kind !== 'too large') return outcome
  metrics.failed('413')
  return sender.send(device, encodePayload(payload, SHORT_PAYLOAD_BYTES), delivery)
}

const logged = new Set<string>()
const LOGGED_KEPT = 1_000

/** Logs a refusal once per push service and reason: it is the same for all of its devices. */
function logOnce({ logger }: Pick<PushDeps, 'logger'>, device: Device, refusal: { reason: string; detail: string }) {
  const host = new URL(device.endpoint).host
  const what = `${host} ${refusal.reason}`
  if (logged.has(what)) return
  if (logged.size >= LOGGED_KEPT) logged.clear()
  logged.add(what)
  // Some services quote the endpoint, and anybody who has that URL can push to the device.
  const cause = refusal.detail.replaceAll(/https?:\/\/\S+/g, '[address]')
  logger.error({ host, status: refusal.reason, cause }, 'a push service refuses our pushes')
}
