import type { DashboardDefinition } from '../panels.ts'
import { halfAndMost, max, rate } from '../promql.ts'

export const workers: DashboardDefinition = {
  uid: 'parley-workers',
  title: 'Parley: workers',
  description: 'Outbox, search index, push and clean-up.',
  rows: [
    {
      title: 'Outbox',
      panels: [
        {
          title: 'Processed',
          about: 'Batches and messages, over all workers.',
          queries: [
            { expr: rate('parley_outbox_batches_total'), legend: 'batches' },
            { expr: rate('parley_outbox_messages_total'), legend: 'messages' },
          ],
          unit: 'ops',
        },
        {
          title: 'Rounds',
          about: 'Duration of a round, which processes up to 50 batches, including push and search.',
          queries: halfAndMost('parley_outbox_round_seconds'),
          unit: 's',
        },
        {
          title: 'Published again, failed rounds',
          about: 'Batches published again after a gateway or api pod died; rounds that failed, which are retried.',
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
          about: 'Jobs by state. "delayed" jobs wait for more messages, for a retry, or for the end of quiet hours.',
          queries: [{ expr: max('parley_push_queue_jobs', 'state'), legend: '{{state}}' }],
          unit: 'short',
        },
        {
          title: 'Delay',
          about: 'Time from storing a message to the push service’s answer.',
          queries: halfAndMost('parley_push_delay_seconds'),
          unit: 's',
        },
        {
          title: 'Queued, dead, unknown, devices removed',
          about:
            'Jobs queued; given up on; of a newer version, returned for its workers; devices that their push service no longer knows.',
          queries: [
            { expr: rate('parley_push_queued_total', 'kind'), legend: 'queued: {{kind}}' },
            { expr: rate('parley_push_dead_total', 'kind'), legend: 'dead: {{kind}}' },
            { expr: rate('parley_push_unknown_total', 'kind'), legend: 'unknown: {{kind}}' },
            { expr: rate('parley_push_devices_removed_total'), legend: 'devices removed' },
          ],
          unit: 'ops',
        },
        {
          title: 'Uploads removed',
          about: 'Uploads that no message used within a day.',
          queries: [{ expr: rate('parley_attachments_removed_total'), legend: 'uploads' }],
          unit: 'ops',
        },
      ],
    },
  ],
}
