import type { DashboardDefinition } from './panels.ts'
import { max, mean, quantile, rate, sum } from './promql.ts'

const P50_P99 = (metric: string, where = '') => [
  { expr: quantile(0.5, metric, '', where), legend: 'half' },
  { expr: quantile(0.99, metric, '', where), legend: '99 %' },
]

const overview: DashboardDefinition = {
  uid: 'parley-overview',
  title: 'Parley: overview',
  description: 'Is it well, how much goes through it, how long does it take.',
  rows: [
    {
      title: 'Well?',
      panels: [
        {
          title: 'Connected sockets',
          about: 'Of all gateways.',
          queries: [{ expr: sum('parley_gateway_connections'), legend: 'sockets' }],
          unit: 'short',
          kind: 'stat',
          width: 4,
        },
        {
          title: 'Processes',
          about: 'That answer Prometheus, by kind and version. Two versions are there during an upgrade only.',
          queries: [
            {
              expr: `count by (process, version) (parley_info{instance=~"$instance"})`,
              legend: '{{process}} {{version}}',
            },
          ],
          unit: 'short',
          kind: 'stat',
        },
        {
          title: 'Services as the processes see them',
          about: '1 where every process reaches it.',
          queries: [
            { expr: `min by (dependency) (parley_dependency_up{instance=~"$instance"})`, legend: '{{dependency}}' },
          ],
          unit: 'bool',
          kind: 'stat',
        },
        {
          title: 'Errors on our side',
          about: 'Answers INTERNAL, UNAVAILABLE, OVERLOADED, STORAGE_UNAVAILABLE. None, usually.',
          queries: [
            {
              expr: rate('parley_errors_total', 'code', 'code=~"INTERNAL|UNAVAILABLE|OVERLOADED|STORAGE_UNAVAILABLE"'),
              legend: '{{code}}',
            },
          ],
          unit: 'ops',
          width: 4,
        },
      ],
    },
    {
      title: 'Messages',
      panels: [
        {
          title: 'Messages taken in, packets delivered',
          about: 'Deliveries are one for each socket that a message is written to.',
          queries: [
            { expr: rate('parley_writes_total', '', 'writer="messages"'), legend: 'messages' },
            { expr: rate('parley_deliveries_total', 'kind'), legend: 'delivered: {{kind}}' },
          ],
          unit: 'ops',
        },
        {
          title: 'A message’s time, from coming in to its ack',
          about: 'The ack says that it is durable.',
          queries: P50_P99('parley_write_stage_seconds', 'writer="messages",stage="total"'),
          unit: 's',
        },
        {
          title: 'Where it goes (99 %)',
          about: 'Waiting for a batch, the batch’s statement and commit, Redis taking its publishes.',
          queries: [
            { expr: quantile(0.99, 'parley_write_stage_seconds', 'stage', 'writer="messages"'), legend: '{{stage}}' },
            { expr: quantile(0.99, 'parley_publish_seconds'), legend: 'publish' },
          ],
          unit: 's',
        },
        {
          title: 'Outbox',
          about: 'Stored batches that no worker has worked off: push and search are behind by as much.',
          queries: [{ expr: max('parley_outbox_rows'), legend: 'batches' }],
          unit: 'short',
        },
        {
          title: 'Outbox and search, behind',
          about: 'Age of the oldest batch; time until a message is found by search.',
          queries: [
            { expr: max('parley_outbox_oldest_seconds'), legend: 'oldest batch' },
            { expr: quantile(0.99, 'parley_search_index_lag_seconds'), legend: 'search (99 %)' },
          ],
          unit: 's',
        },
        {
          title: 'Push',
          about: 'Told, failed and not told on purpose.',
          queries: [
            { expr: rate('parley_push_sent_total'), legend: 'told' },
            { expr: rate('parley_push_failed_total', 'status'), legend: 'failed: {{status}}' },
            { expr: rate('parley_push_suppressed_total', 'reason'), legend: 'not told: {{reason}}' },
          ],
          unit: 'ops',
        },
      ],
    },
  ],
}

const gateways: DashboardDefinition = {
  uid: 'parley-gateways',
  title: 'Parley: gateways and api',
  description: 'Connections, events, requests, errors, and how messages are batched.',
  rows: [
    {
      title: 'Connections',
      panels: [
        {
          title: 'Sockets by gateway',
          about: 'Even, where the balancer takes the gateway with the fewest.',
          queries: [{ expr: sum('parley_gateway_connections', 'instance'), legend: '{{instance}}' }],
          unit: 'short',
        },
        {
          title: 'Coming and going',
          about:
            'Reasons are Socket.IO’s: "transport close" is the client’s or the network’s, "ping timeout" a dead one.',
          queries: [
            { expr: rate('parley_gateway_connects_total'), legend: 'connect' },
            { expr: rate('parley_gateway_disconnects_total', 'reason'), legend: '{{reason}}' },
          ],
          unit: 'ops',
        },
        {
          title: 'Handshake',
          about: 'Token, person, rooms and their subscriptions.',
          queries: P50_P99('parley_gateway_handshake_seconds'),
          unit: 's',
        },
        {
          title: 'Made to sync, cut off, looked up',
          about:
            'Sockets told to sync after Redis was away; connections closed that did not read; messages that did not arrive in time.',
          queries: [
            { expr: rate('parley_gateway_resyncs_total'), legend: 'told to sync' },
            { expr: rate('parley_gateway_slow_readers_total'), legend: 'slow readers' },
            { expr: rate('parley_fanout_fetches_total'), legend: 'looked up' },
          ],
          unit: 'ops',
        },
        {
          title: 'Presence',
          about: 'People by gateway; leases held, and those that workers clean up after dead gateways.',
          queries: [
            { expr: sum('parley_presence_people'), legend: 'people' },
            { expr: sum('parley_presence_lease_held'), legend: 'leases held' },
            { expr: max('parley_presence_leases', 'state'), legend: 'leases: {{state}}' },
          ],
          unit: 'short',
        },
        {
          title: 'Refused for coming too fast',
          about: 'By limit; see SOCKET_EVENTS_PER_10S and its neighbours.',
          queries: [{ expr: rate('parley_rate_limited_total', 'limit'), legend: '{{limit}}' }],
          unit: 'ops',
        },
      ],
    },
    {
      title: 'Events and requests',
      panels: [
        {
          title: 'Events from sockets',
          about: 'By name.',
          queries: [{ expr: rate('parley_socket_events_total', 'event'), legend: '{{event}}' }],
          unit: 'ops',
        },
        {
          title: 'Answers to them',
          about: 'Errors are the client’s own fault as often as ours; the codes are beside.',
          queries: [{ expr: rate('parley_socket_answers_total', 'outcome'), legend: '{{outcome}}' }],
          unit: 'ops',
        },
        {
          title: 'Errors by code',
          about: 'docs/ERRORS.md says what each means.',
          queries: [{ expr: rate('parley_errors_total', 'surface, code'), legend: '{{surface}} {{code}}' }],
          unit: 'ops',
        },
        {
          title: 'HTTP requests',
          about: 'By status.',
          queries: [{ expr: rate('parley_http_request_seconds_count', 'status'), legend: '{{status}}' }],
          unit: 'reqps',
        },
        {
          title: 'HTTP, 99 % by route',
          about: 'Uploads take as long as their files.',
          queries: [
            { expr: quantile(0.99, 'parley_http_request_seconds', 'method, route'), legend: '{{method}} {{route}}' },
          ],
          unit: 's',
          width: 16,
        },
      ],
    },
    {
      title: 'Group commit',
      panels: [
        {
          title: 'Messages and read marks a batch (mean)',
          about: 'Grows with load: that is how a commit’s cost is shared.',
          queries: [{ expr: mean('parley_write_batch_size', 'writer'), legend: '{{writer}}' }],
          unit: 'none',
        },
        {
          title: 'Waiting',
          about: 'Not answered yet. Past 10,000 a process answers OVERLOADED.',
          queries: [
            { expr: sum('parley_write_queue_length', 'writer'), legend: '{{writer}}' },
            { expr: rate('parley_writes_overloaded_total', 'writer'), legend: '{{writer}} refused each second' },
          ],
          unit: 'short',
        },
        {
          title: 'Retries and failures',
          about: 'Batches tried again (deadlocks, a database that is away), and those given up.',
          queries: [
            { expr: rate('parley_write_retries_total', 'writer'), legend: '{{writer}} again' },
            { expr: rate('parley_write_failures_total', 'writer'), legend: '{{writer}} failed' },
          ],
          unit: 'ops',
        },
      ],
    },
  ],
}

const workers: DashboardDefinition = {
  uid: 'parley-workers',
  title: 'Parley: workers',
  description: 'Outbox, search index, push and clean-up.',
  rows: [
    {
      title: 'Outbox',
      panels: [
        {
          title: 'Worked off',
          about: 'Batches and messages, over all workers.',
          queries: [
            { expr: rate('parley_outbox_batches_total'), legend: 'batches' },
            { expr: rate('parley_outbox_messages_total'), legend: 'messages' },
          ],
          unit: 'ops',
        },
        {
          title: 'Rounds',
          about: 'A round takes up to 50 batches; push and search are part of it.',
          queries: P50_P99('parley_outbox_round_seconds'),
          unit: 's',
        },
        {
          title: 'Published again, failed',
          about: 'After the death of a gateway or an api pod; rounds that failed are made again.',
          queries: [
            { expr: rate('parley_outbox_republished_total'), legend: 'published again' },
            { expr: rate('parley_outbox_failures_total'), legend: 'failed' },
          ],
          unit: 'ops',
        },
      ],
    },
    {
      title: 'Push',
      panels: [
        {
          title: 'Queue',
          about: 'Jobs by state. "delayed" holds those that gather, wait for a retry, or for the end of quiet hours.',
          queries: [{ expr: max('parley_push_queue_jobs', 'state'), legend: '{{state}}' }],
          unit: 'short',
        },
        {
          title: 'Delay',
          about: 'From the storing of a message to the push service’s answer.',
          queries: P50_P99('parley_push_delay_seconds'),
          unit: 's',
        },
        {
          title: 'Queued, dead, devices removed',
          about: 'Jobs put into the queue; given up for good; devices that their push service no longer knows.',
          queries: [
            { expr: rate('parley_push_queued_total', 'kind'), legend: 'queued: {{kind}}' },
            { expr: rate('parley_push_dead_total', 'kind'), legend: 'dead: {{kind}}' },
            { expr: rate('parley_push_devices_removed_total'), legend: 'devices removed' },
          ],
          unit: 'ops',
        },
        {
          title: 'Uploads removed',
          about: 'That no message named within a day.',
          queries: [{ expr: rate('parley_attachments_removed_total'), legend: 'uploads' }],
          unit: 'ops',
        },
      ],
    },
  ],
}

const processes: DashboardDefinition = {
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

export const dashboards: readonly DashboardDefinition[] = [overview, gateways, workers, processes]
