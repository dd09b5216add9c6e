import type { Metrics, Series } from './metrics.ts'

/** State of one connection to Redis, or to a whole Redis Cluster. Provided by packages/redis. */
export interface RedisState {
  readonly name: string
  readonly up: boolean
  /** Number of reconnects. */
  readonly reconnects: number
  readonly errors: number
}

/** The part of a pg pool that is measured. */
export interface WatchedPool {
  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
  readonly options: { readonly max?: number | undefined }
  on(event: 'connect' | 'error', listener: () => void): unknown
}

/** Registers metrics of every connection to Redis, by name. */
export function watchRedis(metrics: Metrics, connections: () => Iterable<RedisState>): void {
  const show = (value: (state: RedisState) => number): Series =>
    [...connections()].map((state) => [{ connection: state.name }, value(state)])
  const labels = ['connection']
  metrics.gauge('parley_redis_up', 'Whether the connection to Redis is up (1) or not (0)', labels, () =>
    show(({ up }) => (up ? 1 : 0)),
  )
  metrics.counter('parley_redis_reconnects_total', 'Reconnects of a connection to Redis', labels, () =>
    show(({ reconnects }) => reconnects),
  )
  metrics.counter('parley_redis_errors_total', 'Errors of a connection to Redis', labels, () =>
    show(({ errors }) => errors),
  )
}

/** Registers metrics of connection pools to Postgres, by name. */
export function watchPools(metrics: Metrics, pools: Readonly<Record<string, WatchedPool>>): void {
  const watched = Object.entries(pools).map(([name, pool]) => {
    const counts = { pool, made: pool.totalCount, errors: 0 }
    pool.on('connect', () => counts.made++)
    pool.on('error', () => counts.errors++)
    return [{ pool: name }, counts] as const
  })
  metrics.gauge('parley_postgres_connections', 'Connections to Postgres by state', ['pool', 'state'], () =>
    watched.flatMap(([labels, { pool }]): [Record<string, string>, number][] => [
      [{ ...labels, state: 'idle' }, pool.idleCount],
      [{ ...labels, state: 'busy' }, pool.totalCount - pool.idleCount],
    ]),
  )
  metrics.gauge('parley_postgres_connections_max', 'Maximum number of connections of the pool', ['pool'], () =>
    watched.map(([labels, { pool }]) => [labels, pool.options.max ?? 10]),
  )
  metrics.gauge('parley_postgres_waiting', 'Statements that wait for a connection', ['pool'], () =>
    watched.map(([labels, { pool }]) => [labels, pool.waitingCount]),
  )
  metrics.counter('parley_postgres_connects_total', 'Connections opened to Postgres', ['pool'], () =>
    watched.map(([labels, { made }]) => [labels, made]),
  )
  metrics.counter('parley_postgres_errors_total', 'Idle connections to Postgres that broke', ['pool'], () =>
    watched.map(([labels, { errors }]) => [labels, errors]),
  )
}
