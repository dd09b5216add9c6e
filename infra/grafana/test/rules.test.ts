import { execFileSync } from 'node:child_process'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { alerts } from '../src/alerts.ts'
import { findPromtool } from './promtool.ts'

/* promtool runs the rules on half an hour of synthetic series, one sample per minute: which alerts fire at the end? */

type Series = Record<string, string>

const FLAT = (value: number) => `${value}x30`
const RISING = (perMinute: number) => `0+${perMinute}x30`

const info = (process: string): Series => ({ [`parley_info{process="${process}"}`]: FLAT(1) })

/** A histogram with a hundred values per minute, all in one bucket. */
function histogram(name: string, labels: string, above: number, below: number): Series {
  const bucket = (le: number | string) => `${name}_bucket{${labels}le="${le}"}`
  return { [bucket(above)]: FLAT(0), [bucket(below)]: RISING(100), [bucket('+Inf')]: RISING(100) }
}

const SENDS = ['parley_write_stage_seconds', 'writer="messages",stage="total",'] as const
const away = (dependency: string): Series => ({
  [`parley_dependency_up{dependency="${dependency}",instance="a"}`]: FLAT(0),
  [`parley_dependency_up{dependency="${dependency}",instance="b"}`]: FLAT(1),
})

/** For each alert, series that make it fire, and series just short of that. */
const CASES: Record<string, { fires: Series; quiet: Series }> = {
  ParleyGatewaysGone: { fires: {}, quiet: info('gateway') },
  ParleyApiGone: { fires: {}, quiet: info('api') },
  ParleyWorkersGone: { fires: {}, quiet: info('worker') },
  ParleyDependencyAway: { fires: away('redis'), quiet: { 'parley_dependency_up{dependency="redis"}': FLAT(1) } },
  ParleyLeaseLost: {
    fires: {
      'parley_presence_lease_held{instance="a"}': FLAT(0),
      'parley_presence_lease_held{instance="b"}': FLAT(1),
    },
    quiet: { 'parley_presence_lease_held{instance="a"}': FLAT(1) },
  },
  ParleyRestarting: {
    fires: { 'process_start_time_seconds{instance="a"}': '100x10 200x5 300x5 400x10' },
    quiet: { 'process_start_time_seconds{instance="a"}': '100x10 200x10 300x10' },
  },
  ParleyFilesShort: {
    fires: { 'process_open_fds{instance="a"}': FLAT(900), 'process_max_fds{instance="a"}': FLAT(1_000) },
    quiet: { 'process_open_fds{instance="a"}': FLAT(700), 'process_max_fds{instance="a"}': FLAT(1_000) },
  },
  ParleyGatewayFull: {
    fires: {
      'parley_gateway_connections{instance="a"}': FLAT(10_001),
      'parley_gateway_connections{instance="b"}': FLAT(5),
    },
    quiet: {
      'parley_gateway_connections{instance="a"}': FLAT(9_000),
      'parley_gateway_connections{instance="b"}': FLAT(9_000),
    },
  },
  ParleyStorageAway: { fires: away('s3'), quiet: { 'parley_dependency_up{dependency="s3"}': FLAT(1) } },
  ParleyReplicaAway: { fires: away('replica'), quiet: { 'parley_dependency_up{dependency="replica"}': FLAT(1) } },
  ParleyErrors: {
    fires: { 'parley_errors_total{code="INTERNAL",surface="http"}': RISING(10) },
    quiet: {
      'parley_errors_total{code="INTERNAL",surface="http"}': RISING(1),
      'parley_errors_total{code="FORBIDDEN",surface="http"}': RISING(6_000),
    },
  },
  ParleySlowSends: { fires: histogram(...SENDS, 0.5, 1), quiet: histogram(...SENDS, 0.1, 0.25) },
  ParleyOutboxBehind: {
    fires: { 'parley_outbox_oldest_seconds{instance="a"}': FLAT(61) },
    quiet: {
      'parley_outbox_oldest_seconds{instance="a"}': FLAT(59),
      'parley_outbox_oldest_seconds{instance="b"}': '59x30',
    },
  },
  ParleySearchBehind: {
    fires: histogram('parley_search_index_lag_seconds', '', 10, 30),
    quiet: histogram('parley_search_index_lag_seconds', '', 1, 5),
  },
  ParleyPushFailing: {
    fires: { 'parley_push_failed_total{status="500"}': RISING(30), 'parley_push_sent_total{kind="x"}': RISING(60) },
    quiet: { 'parley_push_failed_total{status="410"}': RISING(600), 'parley_push_sent_total{kind="x"}': RISING(60) },
  },
  ParleyPushQueueLong: {
    fires: { 'parley_push_queue_jobs{state="waiting"}': FLAT(10_001) },
    quiet: { 'parley_push_queue_jobs{state="delayed"}': FLAT(100_000) },
  },
  ParleyPostgresPoolFull: {
    fires: { 'parley_postgres_waiting{instance="a",pool="primary"}': FLAT(11) },
    quiet: { 'parley_postgres_waiting{instance="a",pool="primary"}': FLAT(9) },
  },
  ParleyRedisUnsteady: {
    fires: { 'parley_redis_reconnects_total{instance="a",connection="gateway"}': RISING(1) },
    quiet: { 'parley_redis_reconnects_total{instance="a",connection="gateway"}': '0x20 3x10' },
  },
  ParleyPublishesFailing: {
    fires: { 'parley_publishes_failed_total{instance="a"}': RISING(70) },
    quiet: { 'parley_publishes_failed_total{instance="a"}': RISING(50) },
  },
  ParleySlowReaders: {
    fires: { 'parley_gateway_slow_readers_total{instance="a"}': RISING(10) },
    quiet: { 'parley_gateway_slow_readers_total{instance="a"}': RISING(5) },
  },
  ParleyEventLoopBusy: {
    fires: { 'nodejs_eventloop_lag_p99_seconds{instance="a"}': FLAT(0.3) },
    quiet: { 'nodejs_eventloop_lag_p99_seconds{instance="a"}': FLAT(0.2) },
  },
  ParleyPresenceStuck: {
    fires: { 'parley_presence_leases{state="dead"}': FLAT(1) },
    quiet: { 'parley_presence_leases{state="alive"}': FLAT(3), 'parley_presence_leases{state="dead"}': FLAT(0) },
  },
}

it('there is a case for each alert', () => {
  expect(Object.keys(CASES)).toEqual(alerts.map(({ name }) => name))
})

it('each alert fires when it should, and not just short of that', async () => {
  const promtool = findPromtool()
  if (promtool === null) return console.log('promtool is not installed: no alert has been made to fire')
  await using folder = await mkdtempDisposable(join(tmpdir(), 'parley-rules-'))
  const test = (which: 'fires' | 'quiet', firing: string[]) => ({
    name: which,
    interval: '1m',
    input_series: Object.values(CASES)
      .flatMap((made) => Object.entries(made[which]))
      .map(([series, values]) => ({ series, values })),
    promql_expr_test: [
      {
        expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: '30m',
        exp_samples: firing.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
      },
    ],
  })
  const file = join(folder.path, 'rules.json')
  const rules = fileURLToPath(new URL('../alerts/parley.rules.yml', import.meta.url))
  const tests = [test('fires', Object.keys(CASES)), test('quiet', [])]
  await writeFile(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests }))
  expect(execFileSync(promtool, ['test', 'rules', file], { encoding: 'utf8' })).toContain('SUCCESS')
})
