import type { PushPayload } from '@parley/protocol'
import { type Producer, pushJobs } from '@parley/queue'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** Why somebody was not notified. */
export type Suppression =
  /** They look at the application. */
  | 'foreground'
  | 'muted'
  | 'read'
  /** No longer a member. */
  | 'left'
  /** Held until their quiet hours end. */
  | 'quiet'
  | 'no device'
  /** An earlier notification tells of it already. */
  | 'covered'
  /** The message is gone. */
  | 'deleted'

const PAYLOADS: readonly PushPayload['data']['type'][] = ['NEW_MESSAGE', 'DIGEST', 'CLOSE']

/** The numbers of push, in Prometheus' form. */
export class PushMetrics {
  readonly #registry: Registry
  readonly #queued: Counter<'kind'>
  readonly #sent: Counter<'kind'>
  readonly #suppressed: Counter<'reason'>
  readonly #failed: Counter<'status'>
  readonly #removed: Counter
  readonly #dead: Counter<'kind'>
  readonly #unknown: Counter<'kind'>
  readonly #delay: Histogram

  constructor(registry: Registry) {
    this.#registry = registry
    const registers = [registry]
    const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
      new Counter({ name, help, labelNames, registers })
    this.#queued = counter('parley_push_queued_total', 'Jobs put into the queue, by kind', 'kind')
    this.#sent = counter('parley_push_sent_total', 'Pushes that a push service took, by kind', 'kind')
    this.#suppressed = counter('parley_push_suppressed_total', 'People not notified, by reason', 'reason')
    this.#failed = counter('parley_push_failed_total', 'Pushes that failed, by status or cause', 'status')
    this.#removed = counter('parley_push_devices_removed_total', 'Devices that their push service no longer knows')
    this.#dead = counter('parley_push_dead_total', 'Jobs given up for good, by kind', 'kind')
    const unknown = 'Jobs of a newer version, put back for a worker that knows them, by kind'
    this.#unknown = counter('parley_push_unknown_total', unknown, 'kind')
    this.#delay = new Histogram({
      name: 'parley_push_delay_seconds',
      help: 'From the storing of a message to the push service’s answer; first tries that nothing held back',
      buckets: [0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60],
      registers,
    })
    // A counter that springs up at 1 has no rate, and one that is not there is neither more nor less than another.
    for (const kind of Object.keys(pushJobs)) {
      this.#queued.inc({ kind }, 0)
      this.#dead.inc({ kind }, 0)
      this.#unknown.inc({ kind }, 0)
    }
    for (const kind of PAYLOADS) this.#sent.inc({ kind }, 0)
  }

  queued(kind: string, count = 1): void {
    this.#queued.inc({ kind }, count)
  }

  sent(kind: PushPayload['data']['type']): void {
    this.#sent.inc({ kind })
  }

  suppressed(reason: Suppression, count = 1): void {
    this.#suppressed.inc({ reason: reason.replace(' ', '_') }, count)
  }

  /** @param status an HTTP status, or what went wrong where there was none */
  failed(status: string): void {
    this.#failed.inc({ status })
  }

  deviceRemoved(): void {
    this.#removed.inc()
  }

  dead(kind: string): void {
    this.#dead.inc({ kind })
  }

  /** @param kind of a job that a newer process has queued */
  unknown(kind: string): void {
    this.#unknown.inc({ kind })
  }

  delay(milliseconds: number): void {
    this.#delay.observe(milliseconds / 1_000)
  }

  /** Shows how many jobs there are in each state, asked for at each reading. */
  watch(producer: Producer<'push'>): void {
    const jobs = new Gauge({
      name: 'parley_push_queue_jobs',
      help: 'Jobs in the queue, by state',
      labelNames: ['state'],
      registers: [this.#registry],
      async collect() {
        // While Redis is away there is nothing to show, and the other numbers are shown all the same.
        const counts = await producer.counts().catch(() => ({}))
        jobs.reset()
        for (const [state, count] of Object.entries(counts)) jobs.set({ state }, count)
      },
    })
  }
}
