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
          about: 'Should be even if the balancer prefers the gateway with the fewest connections.',
          queries: [{ expr: sum('parley_gateway_connections', 'instance'), legend: '{{instance}}' }],
          unit: 'short',
        },
        {
          title: 'Connects and disconnects',
          about:
            'Reasons are Socket.IO’s: "transport close" is the client or the network, "ping timeout" a dead connection.',
          queries: [
            { expr: rate('parley_gateway_connects_total'), legend: 'connect' },
            { expr: rate('parley_gateway_disconnects_total', 'reason'), legend: '{{reason}}' },
          ],
          unit: 'ops',
        },
        {
          title: 'Handshake',
          about: 'Time to check the token, look up the person and subscribe to their rooms.',
          queries: halfAndMost('parley_gateway_handshake_seconds'),
          unit: 's',
        },
        {
          title: 'Resyncs, slow readers, look-ups',
          about:
            'Sockets told to sync after Redis was away; connections closed for not reading; messages looked up as they did not arrive.',
          queries: [
            { expr: rate('parley_gateway_resyncs_total'), legend: 'told to sync' },
            { expr: rate('parley_gateway_slow_readers_total'), legend: 'slow readers' },
            { expr: rate('parley_fanout_fetches_total'), legend: 'looked up' },
          ],
          unit: 'ops',
        },
        {
          title: 'Presence',
          about: 'People connected; leases held, and leases of dead gateways that workers clean up.',
          queries: [
            { expr: sum('parley_presence_people'), legend: 'people' },
            { expr: sum('parley_presence_lease_held'), legend: 'leases held' },
            { expr: max('parley_presence_leases', 'state'), legend: 'leases: {{state}}' },
          ],
          unit: 'short',
        },
        {
          title: 'Rate-limited',
          about: 'By limit; see SOCKET_EVENTS_PER_10S and the settings next to it.',
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
          title: 'Answers to events',
          about: 'Errors may be the client’s fault or ours; the next panel has the codes.',
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
          title: 'HTTP requests, 99 % by route',
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
          title: 'Messages and read marks per batch (mean)',
          about: 'Grows with load: larger batches share the cost of a commit.',
          queries: [{ expr: mean('parley_write_batch_size', 'writer'), legend: '{{writer}}' }],
          unit: 'none',
        },
        {
          title: 'Waiting to be stored',
          about: 'Messages and read marks not answered yet. Past 10,000 a process answers OVERLOADED.',
          queries: [
            { expr: sum('parley_write_queue_length', 'writer'), legend: '{{writer}}' },
            { expr: rate('parley_writes_overloaded_total', 'writer'), legend: '{{writer}} refused per second' },
          ],
          unit: 'short',
        },
        {
          title: 'Retries and failures',
          about: 'Batches retried (deadlocks, a database that is away), and those given up on.',
          queries: [
            { expr: rate('parley_write_retries_total', 'writer'), legend: '{{writer}} retried' },
            { expr: rate('parley_write_failures_total', 'writer'), legend: '{{writer}} failed' },
          ],
          unit: 'ops',
        },
      ],
    },
  ],
}
