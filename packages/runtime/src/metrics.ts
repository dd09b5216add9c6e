import { Counter, collectDefaultMetrics, Gauge, type MetricObjectWithValues, Registry } from 'prom-client'
import type { AdminRoute } from './admin.ts'
import type { Distribution, Tally } from './measure.ts'
import { within } from './within.ts'

/** Values of a metric by its one label, or by several of them. */
export type Series = Iterable<readonly [labels: Readonly<Record<string, string>>, value: number]>

/** How often the event loop's delay is looked at, in milliseconds. */
const LOOP_PRECISION_MS = 20
/** What is asked for when metrics are read may take this long; then it is left out of the answer. Milliseconds. */
const READ_BOUND_MS = 2_000

/**
 * One process's metrics. Nothing is told to it as things happen: it is given ways to read numbers that others keep, and
 * reads them when Prometheus asks.
 */
export class Metrics {
  readonly registry = new Registry()

  /** @param processName api, gateway or worker */
  constructor(processName: string, version: string) {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LOOP_PRECISION_MS })
    this.gauge('parley_info', 'Always 1; its labels say what runs', ['process', 'version'], () => [
      [{ process: processName, version }, 1],
    ])
  }

  /** A number that only rises. */
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

  /** A number as it is now. One that has to be asked for and does not come in time is left out. */
  gauge(name: string, help: string, labelNames: readonly string[], read: () => Series | Promise<Series>): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      async collect() {
        const series = await bounded(read)
        this.reset()
        // Without labels prom-client shows 0 for what it has not been told.
        if (series === undefined && labelNames.length === 0) this.set(Number.NaN)
        for (const [labels, value] of series ?? []) this.set(labels, value)
      },
    })
  }

  /** Counts by one label. */
  tally(name: string, help: string, labelName: string, read: () => Tally): void {
    this.counter(name, help, [labelName], () => [...read().counts].map(([value, n]) => [{ [labelName]: value }, n]))
  }

  /** A histogram of one or several distributions with the same bounds. */
  distribution(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => Iterable<readonly [labels: Readonly<Record<string, string>>, Distribution]>,
  ): void {
    const base = { name, help, type: 'histogram', aggregator: 'sum', collect: () => undefined, labelNames }
    const get = async () => ({ ...base, values: [...read()].flatMap(([labels, of]) => bucketsOf(name, labels, of)) })
    // The registry asks any metric for `get()`; its types know prom-client's own classes only.
    this.registry.registerMetric({ ...base, get } as unknown as Gauge)
  }

  /** GET /metrics. */
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
    // Whoever reads metrics while Postgres is away wants the rest of them.
    return undefined
  }
}

/** One value without labels. */
export function single(value: number): Series {
  return [[{}, value]]
}
