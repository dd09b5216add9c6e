import type { DashboardDefinition } from '../panels.ts'
import { halfAndMost, max, mean, quantile, rate, sum } from '../promql.ts'

export const gateways: DashboardDefinition = {
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
          queries: halfAndMost('parley_gateway_handshake_seconds'),
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
