import { expect, it } from 'vitest'
import { Health, healthOf, Metrics } from '../src/index.ts'

const never = () => new Promise<boolean>(() => undefined)

it('names each dependency that is down, also one that does not answer', async () => {
  const { signal: stopping } = new AbortController()
  const health = new Health({
    needed: { postgres: () => true, redis: never },
    wanted: { s3: () => Promise.reject(new Error('https://key:hunter2@s3')), bucket: () => 'no such bucket' },
    stopping,
  })
  expect(await health.ready()).toEqual({
    process: 'ok',
    postgres: 'ok',
    redis: 'does not answer',
    s3: 'away',
    bucket: 'no such bucket',
  })
  expect([health.optional('s3', 'away'), health.optional('redis', 'away')]).toEqual([true, false])
})

it('can do with a Postgres that only serves reads, and not without one', async () => {
  const error = Object.assign(new Error('read_only_sql_transaction'), { code: '25006' })
  const health = healthOf({
    db: { pool: { query: () => Promise.reject(error) } },
    redis: { ping: async () => 'PONG' },
    bus: { healthy: true },
    bucket: () => true,
    stopping: new AbortController().signal,
  })
  const { postgres = '' } = await health.ready()
  expect(postgres).toBe('takes no writes')
  expect([postgres, 'away', 'does not answer'].map((state) => health.optional('postgres', state))).toEqual([
    true,
    false,
    false,
  ])
})

it('is not ready while it stops', async () => {
  const stop = new AbortController()
  const health = new Health({ needed: {}, stopping: stop.signal })
  expect(await health.ready()).toEqual({ process: 'ok' })
  stop.abort()
  expect(await health.ready()).toEqual({ process: 'stopping' })
})

it('runs the checks once for concurrent requests, and reports the same as metrics', async () => {
  let asked = 0
  const postgres = () => ++asked > 0
  const health = new Health({ needed: { postgres, redis: () => false }, stopping: new AbortController().signal })
  const metrics = new Metrics('test', '0')
  health.show(metrics)
  const [text] = await Promise.all([metrics.registry.metrics(), health.ready(), health.ready()])
  expect(text).toContain('parley_dependency_up{dependency="postgres"} 1')
  expect(text).toContain('parley_dependency_up{dependency="redis"} 0')
  expect(asked).toBe(1)
})
