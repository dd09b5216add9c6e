/** One metric as found in scrapes. */
export interface Metric {
  name: string
  type: string
  help: string
  labels: Set<string>
  /** Kinds of processes that expose it. */
  processes: Set<string>
}

/** Sample names (with `_bucket` and the like) to their label names. */
export type Samples = Map<string, Set<string>>

export interface Scrape {
  metrics: Map<string, Metric>
  samples: Samples
}

/**
 * Adds one process's metrics, in Prometheus' text format, to a scrape.
 * @throws when two processes describe a metric differently
 */
export function readScrape({ metrics, samples }: Scrape, process: string, text: string): void {
  let current: Metric | undefined
  for (const line of text.split('\n')) {
    const [, what, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (what === 'HELP') {
      current = metrics.get(name) ?? { name, type: '', help: rest, labels: new Set(), processes: new Set() }
      if (current.help !== rest) throw new Error(`${name} is described differently by two processes`)
      current.processes.add(process)
      metrics.set(name, current)
    } else if (what === 'TYPE' && current !== undefined) current.type = rest
    else readSample(line, current, samples)
  }
}

function readSample(line: string, metric: Metric | undefined, samples: Samples): void {
  const [, name, labels = ''] = /^([a-z_]\w*)(?:\{(.*)\})? \S+$/.exec(line) ?? []
  if (name === undefined) return
  const known = samples.get(name) ?? new Set()
  samples.set(name, known)
  for (const [, label = ''] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) {
    known.add(label)
    if (label !== 'le') metric?.labels.add(label)
  }
}

/** Labels that Prometheus itself adds to every series. */
const PROMETHEUS_OWN = new Set(['instance', 'job'])

/** Returns the metrics that a PromQL expression uses, each with the labels it relies on. */
export function seriesIn(expr: string): { name: string; labels: string[] }[] {
  const grouping = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((l) => l.trim()),
  )
  const found = [...expr.matchAll(/\b((?:parley|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)]
  return found
    .filter(([name]) => !grouping.includes(name))
    .map(([, name = '', matchers = '']) => {
      const matched = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label = '']) => label)
      return { name, labels: [...new Set([...matched, ...grouping])].filter((label) => !PROMETHEUS_OWN.has(label)) }
    })
}

/** Renders docs/METRICS.md. */
export function metricsPage({ metrics }: Scrape): string {
  const rows = [...metrics.values()]
    .filter(({ name }) => name.startsWith('parley_'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, help, labels, processes }) => [
      `\`${name}\``,
      type,
      [...labels]
        .sort()
        .map((label) => `\`${label}\``)
        .join(', '),
      [...processes].sort().join(', '),
      help,
    ])
  return [
    '# Metrics',
    '',
    'Every process exposes these at `GET /metrics` on its admin port, in addition to the metrics of Node and of the process that',
    'prom-client adds (`nodejs_…`, `process_…`). No label contains an id: there are only as many series as there are codes, events,',
    'routes and the like. [OPERATIONS.md](OPERATIONS.md#metrics-and-alerts) says what to watch and what to do about it.',
    '',
    'Generated from a running cluster by `npm test -- infra/grafana -u`, and checked against one by the same test.',
    '',
    ...table([['Metric', 'Type', 'Labels', 'Exposed by', 'What it is'], ...rows]),
    '',
  ].join('\n')
}

function table(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  return [lines[0] ?? '', `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...lines.slice(1)]
}
