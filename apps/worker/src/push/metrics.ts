import type { PushPayload } from '@parley/protocol'
import { type Producer, pushJobs } from '@parley/queue'
import { Distribution, type Metrics, single, Tally } from '@parley/runtime'

/** Why somebody was not notified. */
export type Suppression =
  /** The person has the application in the foreground. */
  | 'foreground'
  | 'muted'
  | 'read'
  /** No longer a member. */
  | 'left'
  /** Held until their quiet hours end. */
  | 'quiet'
  | 'no device'
  /** An earlier notification already covers the message. */
  | 'covered'
  /** The message has been deleted. */
  | 'deleted'

const PAYLOADS: readonly PushPayload['data']['type'][] = ['NEW_MESSAGE', 'DIGEST', 'CLOSE']
const KINDS = Object.keys(pushJobs)

/** Upper bounds of the delay, in seconds: from an immediate push to one held up by a slow push service. */
const DELAY_SECONDS = [0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60]

/** The metrics of push. */
export class PushMetrics {
  readonly #queued = new Tally(KINDS)
  readonly #sent = new Tally(PAYLOADS)
  readonly #suppressed = new Tally()
  readonly #failed = new Tally()
  #removed = 0
  readonly #dead = new Tally(KINDS)
  readonly #unknown = new Tally(KINDS)
  readonly #delays = new Distribution(DELAY_SECONDS)

  queued(kind: string, count = 1): void {
    this.#queued.add(kind, count)
  }

  sent(kind: PushPayload['data']['type']): void {
    this.#sent.add(kind)
  }

  suppressed(reason: Suppression, count = 1): void {
    this.#suppressed.add(reason.replace(' ', '_'), count)
  }

  /** @param status an HTTP status, or the kind of error if there was no answer */
  failed(status: string): void {
    this.#failed.add(status)
  }

  deviceRemoved(): void {
    this.#removed++
  }

  dead(kind: string): void {
    this.#dead.add(kind)
  }

  /** @param kind of a job queued by a newer version */
  unknown(kind: string): void {
    this.#unknown.add(kind)
  }

  delay(milliseconds: number): void {
    this.#delays.observe(milliseconds / 1_000)
  }

  /** Registers them, and the number of jobs in each state, which is looked up at each scrape. */
  show(metrics: Metrics, producer: Pick<Producer<'push'>, 'counts'>): void {
    metrics.tally('parley_push_queued_total', 'Jobs put into the queue, by kind', 'kind', () => this.#queued)
    metrics.tally('parley_push_sent_total', 'Pushes accepted by a push service, by kind', 'kind', () => this.#sent)
    metrics.tally('parley_push_suppressed_total', 'People not notified, by reason', 'reason', () => this.#suppressed)
    metrics.tally('parley_push_failed_total', 'Pushes that failed, by status or cause', 'status', () => this.#failed)
    metrics.counter(
      'parley_push_devices_removed_total',
      'Devices removed because their push service no longer knows them',
      [],
      () => single(this.#removed),
    )
    metrics.tally('parley_push_dead_total', 'Jobs given up on, by kind', 'kind', () => this.#dead)
    const unknown = 'Jobs of a newer version, returned to the queue for a worker that knows them, by kind'
    metrics.tally('parley_push_unknown_total', unknown, 'kind', () => this.#unknown)
    metrics.distribution(
      'parley_push_delay_seconds',
      'Time from storing a message to the push service’s answer, for first tries that nothing held back',
      [],
      () => [[{}, this.#delays]],
    )
    metrics.gauge('parley_push_queue_jobs', 'Jobs in the queue, by state', ['state'], async () =>
      Object.entries(await producer.counts()).map(([state, count]) => [{ state }, count] as const),
    )
  }
}
