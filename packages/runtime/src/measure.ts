/*
 * Counters for hot paths: plain numbers, without allocation or label lookup. metrics.ts reads them when Prometheus scrapes.
 */

/** Bucket bounds for latencies, in seconds: from a single message on an idle machine to a client's patience. */
export const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** Bucket bounds for batch sizes. */
export const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const

/** A histogram with fixed buckets. */
export class Distribution {
  readonly bounds: readonly number[]
  /** Number of values in each bucket; the last one counts those above all bounds. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let bucket = 0
    while (value > (this.bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket++
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1
    this.sum += value
  }
}

/** Counts by name. Names come from a small, fixed set: codes, reasons, outcomes. Never ids. */
export class Tally {
  readonly counts = new Map<string, number>()

  /** @param names reported as zero from the start: a counter that first appears at 1 has no rate */
  constructor(names: Iterable<string> = []) {
    for (const name of names) this.counts.set(name, 0)
  }

  add(name: string, count = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count)
  }
}
