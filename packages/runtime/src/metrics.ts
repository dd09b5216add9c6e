import { Counter, collectDefaultMetrics, Gauge, type MetricObjectWithValues, Registry } from 'prom-client'
import type { AdminRoute } from './admin.ts'
import type { Distribution, Tally } from './measure.ts'
import { within } from './within.ts'

/** Values of a metric, each with its labels. */
export type Series = Iterable<readonly [labels: Readonly<Record<string, string>>, value: number]>

/** Sampling interval of the event loop's delay, in milliseconds. */
const LOOP_PRECISION_MS = 20
/** Timeout for values that are fetched when metrics are read; late ones are omitted. Milliseconds. */
const READ_BOUND_MS = 2_000

/**
 * The metrics of one process. Values are pulled, not pushed: each metric has a function that reads numbers kept elsewhere, which
 * is called when Prometheus scrapes.
 */
export class Metrics {
  readonly registry = new Registry()

  /** @param processName api, gateway or worker */
  constructor(processName: string, version: string) {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LOOP_PRECISION_MS })
    this.gauge('parley_info', 'Always 1; its labels name the process and its version', ['process', 'version'], () => [
      [{ process: processName, version }, 1],
    ])
  }

  /** Registers a value that only rises. */
  counter(name: string, help: string, labelNames: readonly string[], read: () => Series): void {
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.inc(labels, value)
      },
    })
  }

  /** Registers a current value. If it is fetched and does not arrive in time, it is omitted. */
  gauge(name: string, help: string, labelNames: readonly string[], read: () => Series | Promise<Series>): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      async collect() {
        const series = await bounded(read)
        this.reset()
        // Without labels, prom-client would show 0 for a missing value.
        if (series === undefined && labelNames.length === 0) this.set(Number.NaN)
        for (const [labels, value] of series ?? []) this.set(labels, value)
      },
    })
  }

  /** Registers counters by one label. */
  tally(name: string, help: string, labelName: string, read: () => Tally): void {
    this.counter(name, help, [labelName], () => [...read().counts].map(([value, n]) => [{ [labelName]: value }, n]))
  }

  /** Registers a histogram of one or several distributions with the same bounds. */
  distribution(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => Iterable<readonly [labels: Readonly<Record<string, string>>, Distribution]>,
  ): void {
    const base = { name, help, type: 'histogram', aggregator: 'sum', collect: () => undefined, labelNames }
    const get = async () => ({ ...base, values: [...read()].flatMap(([labels, of]) => bucketsOf(name, labels, of)) })
    // The registry only calls `get()`, but its types accept prom-client's own classes only.
    this.registry.registerMetric({ ...base, get } as unknown as Gauge)
  }

  /** Handler of GET /metrics. */
  readonly route: AdminRoute = async (_request, response) => {
    const text = await this.registry.metrics()
    response.writeHead(200, { 'content-type': this.registry.contentType, 'cache-control': 'no-store' })
    response.end(text)
  }
}

type Value = MetricObjectWithValues<{ value: number; labels: Record<string, string | number> }>['values'][number]

function bucketsOf(
  name: string,
  labels: Readonly<Record<string, string>>,
  { bounds, counts, sum }: Distribution,
): (Value & { metricName: string })[] {
  let below = 0
  const buckets = Array.from(counts, (count, index) => {
    below += count
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[index] ?? '+Inf' }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: { ...labels }, value: sum },
    { metricName: `${name}_count`, labels: { ...labels }, value: below },
  ]
}

async function bounded(read: () => Series | Promise<Series>): Promise<Series | undefined> {
  try {
    return await within(READ_BOUND_MS, Promise.resolve(read()), () => undefined)
  } catch {
    // If Postgres is down, for example, the other metrics are still wanted.
    return undefined
  }
}

/** Returns a single value without labels. */
export function single(value: number): Series {
  return [[{}, value]]
}
