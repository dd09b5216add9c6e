import type { Metrics, Series } from './metrics.ts'

/** One connection to Redis, or one to a whole cluster. packages/redis keeps these. */
export interface RedisState {
  readonly name: string
  readonly up: boolean
  /** Times that it was made anew. */
  readonly reconnects: number
  readonly errors: number
}

/** The part of a pool of pg that is looked at. */
export interface WatchedPool {
  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
  readonly options: { readonly max?: number | undefined }
  on(event: 'connect' | 'error', listener: () => void): unknown
}

/** Shows every connection to Redis by its name. */
export function watchRedis(metrics: Metrics, connections: () => Iterable<RedisState>): void {
  const show = (value: (state: RedisState) => number): Series =>
    [...connections()].map((state) => [{ connection: state.name }, value(state)])
  const labels = ['connection']
  metrics.gauge('parley_redis_up', 'Whether the connection to Redis stands (1) or not (0)', labels, () =>
    show(({ up }) => (up ? 1 : 0)),
  )
  metrics.counter('parley_redis_reconnects_total', 'Times that a connection to Redis was made anew', labels, () =>
    show(({ reconnects }) => reconnects),
  )
  metrics.counter('parley_redis_errors_total', 'Errors of a connection to Redis', labels, () =>
    show(({ errors }) => errors),
  )
}

/** Shows pools of connections to Postgres by their names. */
export function watchPools(metrics: Metrics, pools: Readonly<Record<string, WatchedPool>>): void {
  const kept = Object.entries(pools).map(([pool, of]) => {
    const counts = { of, made: of.totalCount, errors: 0 }
    of.on('connect', () => counts.made++)
    of.on('error', () => counts.errors++)
    return [{ pool }, counts] as const
  })
  metrics.gauge('parley_postgres_connections', 'Connections to Postgres by state', ['pool', 'state'], () =>
    kept.flatMap(([{ pool }, { of }]): [Record<string, string>, number][] => [
      [{ pool, state: 'idle' }, of.idleCount],
      [{ pool, state: 'busy' }, of.totalCount - of.idleCount],
    ]),
  )
  metrics.gauge('parley_postgres_connections_max', 'Connections that the pool may hold', ['pool'], () =>
    kept.map(([name, { of }]) => [name, of.options.max ?? 10]),
  )
  metrics.gauge('parley_postgres_waiting', 'Statements that wait for a connection', ['pool'], () =>
    kept.map(([name, { of }]) => [name, of.waitingCount]),
  )
  metrics.counter('parley_postgres_connects_total', 'Connections to Postgres that were made', ['pool'], () =>
    kept.map(([name, { made }]) => [name, made]),
  )
  metrics.counter('parley_postgres_errors_total', 'Idle connections to Postgres that broke', ['pool'], () =>
    kept.map(([name, { errors }]) => [name, errors]),
  )
}
