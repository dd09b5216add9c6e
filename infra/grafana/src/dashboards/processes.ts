import type { DashboardDefinition } from '../panels.ts'
import { max, rate, sum } from '../promql.ts'

export const processes: DashboardDefinition = {
  uid: 'parley-processes',
  title: 'Parley: processes and services',
  description: 'Postgres and Redis as each process has them, event loops, memory.',
  rows: [
    {
      title: 'Postgres and Redis',
      panels: [
        {
          title: 'Connections to Postgres',
          about: 'By state. All busy and statements waiting: the pool or Postgres is the bottleneck.',
          queries: [
            { expr: sum('parley_postgres_connections', 'pool, state'), legend: '{{pool}} {{state}}' },
            { expr: sum('parley_postgres_waiting', 'pool'), legend: '{{pool}}: statements waiting' },
            { expr: sum('parley_postgres_connections_max', 'pool'), legend: '{{pool}}: at most' },
          ],
          unit: 'short',
        },
        {
          title: 'Connections made and broken',
          about: 'Steady making is a sign of a proxy that closes idle ones, or of time-outs.',
          queries: [
            { expr: rate('parley_postgres_connects_total', 'pool'), legend: '{{pool}} made' },
            { expr: rate('parley_postgres_errors_total', 'pool'), legend: '{{pool}} broken' },
          ],
          unit: 'ops',
        },
        {
          title: 'Reads for the replica',
          about: 'By who answered: the replica, or the primary because the replica was behind or away.',
          queries: [{ expr: rate('parley_replica_reads_total', 'answer'), legend: '{{answer}}' }],
          unit: 'reqps',
        },
        {
          title: 'Redis, up',
          about: 'Processes whose connection of this name stands.',
          queries: [{ expr: sum('parley_redis_up', 'connection'), legend: '{{connection}}' }],
          unit: 'short',
        },
        {
          title: 'Redis, trouble',
          about: 'Connections made anew, errors, publishes that were not taken.',
          queries: [
            { expr: rate('parley_redis_reconnects_total', 'connection'), legend: '{{connection}} anew' },
            { expr: rate('parley_redis_errors_total', 'connection'), legend: '{{connection}} errors' },
            { expr: rate('parley_publishes_failed_total'), legend: 'publishes not taken' },
          ],
          unit: 'ops',
        },
        {
          title: 'Publishes',
          about: 'To Redis, of all processes.',
          queries: [{ expr: rate('parley_publishes_total'), legend: 'publishes' }],
          unit: 'ops',
        },
        {
          title: 'Services',
          about: 'As each process sees them: 1 up, 0 away.',
          queries: [
            {
              expr: `min by (dependency, instance) (parley_dependency_up{instance=~"$instance"})`,
              legend: '{{dependency}} {{instance}}',
            },
          ],
          unit: 'bool',
        },
      ],
    },
    {
      title: 'Processes',
      panels: [
        {
          title: 'Event loop delay (99 %)',
          about: 'What everybody on this process waits on top. Above 100 ms it has too much to do.',
          queries: [{ expr: max('nodejs_eventloop_lag_p99_seconds', 'instance'), legend: '{{instance}}' }],
          unit: 's',
        },
        {
          title: 'Processor',
          about: 'Cores. A process uses one, and a little more for garbage and TLS.',
          queries: [{ expr: rate('process_cpu_seconds_total', 'instance'), legend: '{{instance}}' }],
          unit: 'short',
        },
        {
          title: 'Memory',
          about: 'Resident.',
          queries: [{ expr: sum('process_resident_memory_bytes', 'instance'), legend: '{{instance}}' }],
          unit: 'bytes',
        },
        {
          title: 'Garbage collection',
          about: 'Part of the time that goes into it.',
          queries: [{ expr: rate('nodejs_gc_duration_seconds_sum', 'instance'), legend: '{{instance}}' }],
          unit: 'percentunit',
        },
        {
          title: 'Heap',
          about: 'In use.',
          queries: [{ expr: sum('nodejs_heap_size_used_bytes', 'instance'), legend: '{{instance}}' }],
          unit: 'bytes',
        },
        {
          title: 'Open files and sockets',
          about: 'Each connection is one; the limit is the container’s.',
          queries: [{ expr: sum('process_open_fds', 'instance'), legend: '{{instance}}' }],
          unit: 'short',
        },
      ],
    },
  ],
}
