import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { Distribution, Metrics, single, Tally, watchPools, watchRedis } from '../src/index.ts'

async function linesOf(metrics: Metrics, name: string): Promise<string[]> {
  return (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith(name))
}

it('reads values kept elsewhere at the time of the scrape', async () => {
  const metrics = new Metrics('test', '1.2.3')
  const codes = new Tally(['OK'])
  let open = 1
  metrics.gauge('parley_open', 'Open things', [], () => single(open))
  metrics.tally('parley_codes_total', 'Answers by code', 'code', () => codes)
  expect(await linesOf(metrics, 'parley_open')).toEqual(['parley_open 1'])
  expect(await linesOf(metrics, 'parley_codes_total')).toEqual(['parley_codes_total{code="OK"} 0'])
  open = 3
  codes.add('OK', 2)
  codes.add('FORBIDDEN')
  expect(await linesOf(metrics, 'parley_open')).toEqual(['parley_open 3'])
  expect(await linesOf(metrics, 'parley_codes_total')).toEqual([
    'parley_codes_total{code="OK"} 2',
    'parley_codes_total{code="FORBIDDEN"} 1',
  ])
  expect(await linesOf(metrics, 'parley_info')).toEqual(['parley_info{process="test",version="1.2.3"} 1'])
  expect(await linesOf(metrics, 'nodejs_eventloop_lag_p99_seconds')).toHaveLength(1)
})

it('reports a distribution as a histogram with cumulative buckets', async () => {
  const metrics = new Metrics('test', '0')
  const sizes = new Distribution([1, 10, 100])
  for (const size of [1, 2, 10, 11, 1_000]) sizes.observe(size)
  metrics.distribution('parley_sizes', 'Sizes', ['kind'], () => [[{ kind: 'a' }, sizes]])
  const text = await metrics.registry.metrics()
  expect(text).toContain('# TYPE parley_sizes histogram')
  expect(await linesOf(metrics, 'parley_sizes')).toEqual([
    'parley_sizes_bucket{kind="a",le="1"} 1',
    'parley_sizes_bucket{kind="a",le="10"} 3',
    'parley_sizes_bucket{kind="a",le="100"} 4',
    'parley_sizes_bucket{kind="a",le="+Inf"} 5',
    'parley_sizes_sum{kind="a"} 1024',
    'parley_sizes_count{kind="a"} 5',
  ])
})

it('omits values that cannot be fetched, and reports the rest', async () => {
  const metrics = new Metrics('test', '0')
  metrics.gauge('parley_rows', 'Rows', [], () => Promise.reject(new Error('away')))
  metrics.gauge('parley_states', 'States', ['state'], () => Promise.reject(new Error('away')))
  expect(await linesOf(metrics, 'parley_')).toEqual([expect.stringContaining('parley_info'), 'parley_rows Nan'])
})

it('distinguishes the connections of a process', async () => {
  const metrics = new Metrics('test', '0')
  const redis = { name: 'main', up: true, reconnects: 0, errors: 0 }
  const pool = Object.assign(new EventEmitter(), { totalCount: 3, idleCount: 1, waitingCount: 2, options: { max: 4 } })
  watchRedis(metrics, () => [redis])
  watchPools(metrics, { primary: pool })
  pool.emit('connect')
  expect(await linesOf(metrics, 'parley_redis_up')).toEqual(['parley_redis_up{connection="main"} 1'])
  Object.assign(redis, { up: false, reconnects: 2, errors: 3 })
  expect(await linesOf(metrics, 'parley_redis_')).toEqual([
    'parley_redis_up{connection="main"} 0',
    'parley_redis_reconnects_total{connection="main"} 2',
    'parley_redis_errors_total{connection="main"} 3',
  ])
  expect(await linesOf(metrics, 'parley_postgres_')).toEqual([
    'parley_postgres_connections{pool="primary",state="idle"} 1',
    'parley_postgres_connections{pool="primary",state="busy"} 2',
    'parley_postgres_connections_max{pool="primary"} 4',
    'parley_postgres_waiting{pool="primary"} 2',
    'parley_postgres_connects_total{pool="primary"} 4',
    'parley_postgres_errors_total{pool="primary"} 0',
  ])
})
