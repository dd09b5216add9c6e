/** Only the processes that are chosen in the dashboard. */
const CHOSEN = 'instance=~"$instance"'

function labels(more: string): string {
  return more === '' ? CHOSEN : `${CHOSEN},${more}`
}

/** How much a counter rises each second, summed up to these labels. */
export function rate(metric: string, by = '', where = ''): string {
  return `sum${byOf(by)}(rate(${metric}{${labels(where)}}[$__rate_interval]))`
}

/** A gauge, summed up to these labels. */
export function sum(metric: string, by = '', where = ''): string {
  return `sum${byOf(by)}(${metric}{${labels(where)}})`
}

/** A gauge that every process shows alike: the largest. */
export function max(metric: string, by = '', where = ''): string {
  return `max${byOf(by)}(${metric}{${labels(where)}})`
}

/** The value that this part of a histogram's values stay under. */
export function quantile(part: number, metric: string, by = '', where = ''): string {
  const grouped = by === '' ? 'le' : `le, ${by}`
  return `histogram_quantile(${part}, sum by (${grouped}) (rate(${metric}_bucket{${labels(where)}}[$__rate_interval])))`
}

/** The mean of a histogram's values. */
export function mean(metric: string, by = '', where = ''): string {
  return `${rate(`${metric}_sum`, by, where)} / ${rate(`${metric}_count`, by, where)}`
}

function byOf(by: string): string {
  return by === '' ? '' : ` by (${by}) `
}

/** Half of a histogram's values, and 99 % of them, as two curves. */
export function halfAndMost(metric: string, where = ''): { expr: string; legend: string }[] {
  return [
    { expr: quantile(0.5, metric, '', where), legend: 'half' },
    { expr: quantile(0.99, metric, '', where), legend: '99 %' },
  ]
}
