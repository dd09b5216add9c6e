/*
 * What a hot path counts with: plain numbers, no allocation, no label look-up. metrics.ts reads them when Prometheus asks.
 */

/** Upper bounds of latencies, in seconds: from a lone message on an idle machine to a client's patience. */
export const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** Upper bounds of how many are done at once. */
export const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const

/** How values are spread: a histogram of fixed buckets. */
export class Distribution {
  readonly bounds: readonly number[]
  /** How many values fell into each bucket; the last one has those above all bounds. */
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

/** Counts by a name out of a small, fixed vocabulary: codes, reasons, outcomes. Never ids. */
export class Tally {
  readonly counts = new Map<string, number>()

  /** @param names shown from the beginning, at zero: a counter that springs up at 1 has no rate */
  constructor(names: Iterable<string> = []) {
    for (const name of names) this.counts.set(name, 0)
  }

  add(name: string, count = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count)
  }
}
