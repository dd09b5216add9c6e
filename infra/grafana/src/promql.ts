/** Selects the processes chosen in the dashboard. */
const CHOSEN = 'instance=~"$instance"'

function labels(more: string): string {
  return more === '' ? CHOSEN : `${CHOSEN},${more}`
}

/** Returns a counter's increase per second, summed by these labels. */
export function rate(metric: string, by = '', where = ''): string {
  return `sum${byOf(by)}(rate(${metric}{${labels(where)}}[$__rate_interval]))`
}

/** Returns a gauge summed by these labels. */
export function sum(metric: string, by = '', where = ''): string {
  return `sum${byOf(by)}(${metric}{${labels(where)}})`
}

/** Returns the maximum of a gauge that every process reports for the whole cluster. */
export function max(metric: string, by = '', where = ''): string {
  return `max${byOf(by)}(${metric}{${labels(where)}})`
}

/** Returns a quantile of a histogram. */
export function quantile(part: number, metric: string, by = '', where = ''): string {
  const grouped = by === '' ? 'le' : `le, ${by}`
  return `histogram_quantile(${part}, sum by (${grouped}) (rate(${metric}_bucket{${labels(where)}}[$__rate_interval])))`
}

/** Returns the mean of a histogram. */
export function mean(metric: string, by = '', where = ''): string {
  return `${rate(`${metric}_sum`, by, where)} / ${rate(`${metric}_count`, by, where)}`
}

function byOf(by: string): string {
  return by === '' ? '' : ` by (${by}) `
}

/** Returns a histogram's median and 99th percentile as two curves. */
export function halfAndMost(metric: string, where = ''): { expr: string; legend: string }[] {
  return [
    { expr: quantile(0.5, metric, '', where), legend: '50 %' },
    { expr: quantile(0.99, metric, '', where), legend: '99 %' },
  ]
}
