import type { DashboardDefinition } from '../panels.ts'
import { max, rate, sum } from '../promql.ts'

export const processes: DashboardDefinition = {
  uid: 'parley-processes',
  title: 'Parley: processes and services',
  description: 'Postgres and Redis as each process sees them, event loops, memory.',
  rows: [
    {
      title: 'Postgres and Redis',
      panels: [
        {
          title: 'Connections to Postgres',
          about: 'By state. If all are busy and statements are waiting, the pool or Postgres is the bottleneck.',
          queries: [
            { expr: sum('parley_postgres_connections', 'pool, state'), legend: '{{pool}} {{state}}' },
            { expr: sum('parley_postgres_waiting', 'pool'), legend: '{{pool}}: statements waiting' },
            { expr: sum('parley_postgres_connections_max', 'pool'), legend: '{{pool}}: maximum' },
          ],
          unit: 'short',
        },
        {
          title: 'Postgres connections opened and lost',
          about: 'A steady rate of new ones points to a proxy that closes idle connections, or to timeouts.',
          queries: [
            { expr: rate('parley_postgres_connects_total', 'pool'), legend: '{{pool}} opened' },
            { expr: rate('parley_postgres_errors_total', 'pool'), legend: '{{pool}} lost' },
          ],
          unit: 'ops',
        },
        {
          title: 'Replica reads',
          about: 'By what answered: the replica, or the primary because the replica was behind or away.',
          queries: [{ expr: rate('parley_replica_reads_total', 'answer'), legend: '{{answer}}' }],
          unit: 'reqps',
        },
        {
          title: 'Redis connections up',
          about: 'Processes whose connection of this name is up.',
          queries: [{ expr: sum('parley_redis_up', 'connection'), legend: '{{connection}}' }],
          unit: 'short',
        },
        {
          title: 'Redis problems',
          about: 'Reconnects, errors, and publishes that failed.',
          queries: [
            { expr: rate('parley_redis_reconnects_total', 'connection'), legend: '{{connection}} reconnects' },
            { expr: rate('parley_redis_errors_total', 'connection'), legend: '{{connection}} errors' },
            { expr: rate('parley_publishes_failed_total'), legend: 'failed publishes' },
          ],
          unit: 'ops',
        },
        {
          title: 'Publishes',
          about: 'To Redis, by all processes.',
          queries: [{ expr: rate('parley_publishes_total'), legend: 'publishes' }],
          unit: 'ops',
        },
        {
          title: 'Services',
          about: 'As seen by each process: 1 up, 0 away.',
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
          about: 'Extra latency for everybody on this process. Above 100 ms it is overloaded.',
          queries: [{ expr: max('nodejs_eventloop_lag_p99_seconds', 'instance'), legend: '{{instance}}' }],
          unit: 's',
        },
        {
          title: 'CPU',
          about: 'In cores. A process uses at most one, and a little more for garbage collection and TLS.',
          queries: [{ expr: rate('process_cpu_seconds_total', 'instance'), legend: '{{instance}}' }],
          unit: 'short',
        },
        {
          title: 'Memory',
          about: 'Resident set size.',
          queries: [{ expr: sum('process_resident_memory_bytes', 'instance'), legend: '{{instance}}' }],
          unit: 'bytes',
        },
        {
          title: 'Garbage collection',
          about: 'Share of time spent on it.',
          queries: [{ expr: rate('nodejs_gc_duration_seconds_sum', 'instance'), legend: '{{instance}}' }],
          unit: 'percentunit',
        },
        {
          title: 'Heap',
          about: 'Heap in use.',
          queries: [{ expr: sum('nodejs_heap_size_used_bytes', 'instance'), legend: '{{instance}}' }],
          unit: 'bytes',
        },
        {
          title: 'Open files and sockets',
          about: 'Each connection takes one; the limit is the container’s.',
          queries: [{ expr: sum('process_open_fds', 'instance'), legend: '{{instance}}' }],
          unit: 'short',
        },
      ],
    },
  ],
}
