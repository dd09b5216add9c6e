import type { DashboardDefinition } from '../panels.ts'
import { halfAndMost, max, quantile, rate, sum } from '../promql.ts'

export const overview: DashboardDefinition = {
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
          queries: halfAndMost('parley_write_stage_seconds', 'writer="messages",stage="total"'),
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
