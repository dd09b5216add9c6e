/** What is known of one metric after a scrape. */
export interface Metric {
  name: string
  type: string
  help: string
  labels: Set<string>
  /** Kinds of processes that show it. */
  processes: Set<string>
}

/** Sample names (with `_bucket` and the like) to their label names. */
export type Samples = Map<string, Set<string>>

export interface Scrape {
  metrics: Map<string, Metric>
  samples: Samples
}

/** Takes in what one process shows, in Prometheus' text format. */
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

/** Labels that Prometheus itself adds to everything. */
const PROMETHEUS_OWN = new Set(['instance', 'job'])

/** The metrics that a PromQL expression names, each with the labels that it expects of it. */
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

/** The page that lists all metrics. */
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
    'Every process shows these at `GET /metrics` on its admin port, besides those of Node and of the process itself that',
    'prom-client adds (`nodejs_…`, `process_…`). No label holds an id: there are as many series as there are codes, events,',
    'routes and the like. What to look at, and what to do about it, is in [OPERATIONS.md](OPERATIONS.md#metrics-and-alerts).',
    '',
    'Made from a running cluster by `npm test -- infra/grafana -u`, and checked against one by the same test.',
    '',
    ...table([['Metric', 'Type', 'Labels', 'Shown by', 'What it is'], ...rows]),
    '',
  ].join('\n')
}

function table(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  return [lines[0] ?? '', `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...lines.slice(1)]
}
