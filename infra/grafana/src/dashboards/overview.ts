import type { DashboardDefinition } from '../panels.ts'
import { halfAndMost, max, quantile, rate, sum } from '../promql.ts'

export const overview: DashboardDefinition = {
  uid: 'parley-overview',
  title: 'Parley: overview',
  description: 'Health, throughput and latency at a glance.',
  rows: [
    {
      title: 'Health',
      panels: [
        {
          title: 'Connected sockets',
          about: 'On all gateways.',
          queries: [{ expr: sum('parley_gateway_connections'), legend: 'sockets' }],
          unit: 'short',
          kind: 'stat',
          width: 4,
        },
        {
          title: 'Processes',
          about: 'Processes that respond to Prometheus, by kind and version. Two versions only during an upgrade.',
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
          title: 'Services as seen by the processes',
          about: '1 if every process can reach the service.',
          queries: [
            { expr: `min by (dependency) (parley_dependency_up{instance=~"$instance"})`, legend: '{{dependency}}' },
          ],
          unit: 'bool',
          kind: 'stat',
        },
        {
          title: 'Server errors',
          about: 'INTERNAL, UNAVAILABLE, OVERLOADED and STORAGE_UNAVAILABLE answers. Usually none.',
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
          title: 'Messages stored, packets delivered',
          about: 'There is one delivery for each socket that a message is written to.',
          queries: [
            { expr: rate('parley_writes_total', '', 'writer="messages"'), legend: 'messages' },
            { expr: rate('parley_deliveries_total', 'kind'), legend: 'delivered: {{kind}}' },
          ],
          unit: 'ops',
        },
        {
          title: 'Time from receiving a message to its ack',
          about: 'The ack means that the message is durable.',
          queries: halfAndMost('parley_write_stage_seconds', 'writer="messages",stage="total"'),
          unit: 's',
        },
        {
          title: 'Where the time goes (99 %)',
          about: 'Waiting for a batch, the batch’s statement and commit, and publishing to Redis.',
          queries: [
            { expr: quantile(0.99, 'parley_write_stage_seconds', 'stage', 'writer="messages"'), legend: '{{stage}}' },
            { expr: quantile(0.99, 'parley_publish_seconds'), legend: 'publish' },
          ],
          unit: 's',
        },
        {
          title: 'Outbox',
          about: 'Stored batches that no worker has processed yet: how far push and search are behind.',
          queries: [{ expr: max('parley_outbox_rows'), legend: 'batches' }],
          unit: 'short',
        },
        {
          title: 'Outbox and search lag',
          about: 'Age of the oldest batch; time until search finds a message.',
          queries: [
            { expr: max('parley_outbox_oldest_seconds'), legend: 'oldest batch' },
            { expr: quantile(0.99, 'parley_search_index_lag_seconds'), legend: 'search (99 %)' },
          ],
          unit: 's',
        },
        {
          title: 'Push',
          about: 'Pushes sent, failed, and suppressed on purpose.',
          queries: [
            { expr: rate('parley_push_sent_total'), legend: 'sent' },
            { expr: rate('parley_push_failed_total', 'status'), legend: 'failed: {{status}}' },
            { expr: rate('parley_push_suppressed_total', 'reason'), legend: 'suppressed: {{reason}}' },
          ],
          unit: 'ops',
        },
      ],
    },
  ],
}
