export interface Alert {
  name: string
  expr: string
  /** How long the condition must hold before the alert fires. */
  for: string
  /** page: somebody gets up at night. ticket: somebody looks tomorrow. */
  severity: 'page' | 'ticket'
  /** One line for a phone; `{{ $labels.x }}` and `{{ $value }}` are Prometheus' own. */
  summary: string
  /** What to do first. docs/OPERATIONS.md has the full runbook under a heading with the alert's name. */
  action: string
}

export const alerts: readonly Alert[] = [
  {
    name: 'ParleyGatewaysGone',
    expr: 'absent(parley_info{process="gateway"})',
    for: '1m',
    severity: 'page',
    summary: 'No gateway responds to Prometheus',
    action: 'Check whether gateway pods are running and live. Without any, nobody is connected.',
  },
  {
    name: 'ParleyApiGone',
    expr: 'absent(parley_info{process="api"})',
    for: '1m',
    severity: 'page',
    summary: 'No api pod responds to Prometheus',
    action: 'Check whether api pods are running and live. Without any, the balancer refuses all HTTP requests.',
  },
  {
    name: 'ParleyWorkersGone',
    expr: 'absent(parley_info{process="worker"})',
    for: '5m',
    severity: 'page',
    summary: 'No worker responds to Prometheus',
    action:
      'Check whether workers are running. Messages still flow; push, search and presence clean-up are stopped. Nothing is lost.',
  },
  {
    name: 'ParleyDependencyAway',
    expr: 'min by (dependency) (parley_dependency_up{dependency!~"s3|replica"}) == 0',
    for: '1m',
    severity: 'page',
    summary: 'At least one process cannot reach {{ $labels.dependency }}',
    action: 'Check which processes. Just one: its node or network. All of them: the service itself.',
  },
  {
    name: 'ParleyLeaseLost',
    expr: 'min by (instance) (parley_presence_lease_held) == 0',
    for: '1m',
    severity: 'page',
    summary: 'The people on {{ $labels.instance }} are shown as offline: it cannot renew its lease in Redis',
    action:
      'All gateways: Redis is not accepting writes (out of memory, a replica, a full disk). Just one: its CPU or network.',
  },
  {
    name: 'ParleyRestarting',
    expr: 'max by (instance) (changes(process_start_time_seconds[30m])) > 2',
    for: '1m',
    severity: 'page',
    summary: '{{ $labels.instance }} has restarted {{ $value }} times in half an hour',
    action:
      'Check its exit code and last log lines: 78 is a wrong setting, 137 memory or a probe, 1 is explained in the log.',
  },
  {
    name: 'ParleyFilesShort',
    expr: 'max by (instance) (process_open_fds / process_max_fds) > 0.8',
    for: '5m',
    severity: 'page',
    summary: '{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its file descriptors',
    action:
      'Each connection takes one: raise the limit (ulimit -n) or add processes. At the limit nobody new can connect.',
  },
  {
    name: 'ParleyGatewayFull',
    expr: 'max by (instance) (parley_gateway_connections) > 10000',
    for: '10m',
    severity: 'ticket',
    summary: '{{ $labels.instance }} has {{ $value | humanize }} connections',
    action: 'Add gateways before one fails and the others have to take over its connections.',
  },
  {
    name: 'ParleyStorageAway',
    expr: 'min by (dependency) (parley_dependency_up{dependency="s3"}) == 0',
    for: '5m',
    severity: 'ticket',
    summary: 'Attachments cannot be stored: the bucket does not answer',
    action:
      'GET /health/ready says why (unreachable, no such bucket, key refused). Messages without files are not affected.',
  },
  {
    name: 'ParleyReplicaAway',
    expr: 'min by (dependency) (parley_dependency_up{dependency="replica"}) == 0',
    for: '5m',
    severity: 'ticket',
    summary: 'The read replica does not answer; history and search are read from the primary instead',
    action:
      'Check the replica (DATABASE_REPLICA_URL) and watch the load on the primary. Clients notice nothing as long as it copes.',
  },
  {
    name: 'ParleyErrors',
    expr: 'sum by (code) (rate(parley_errors_total{code=~"INTERNAL|UNAVAILABLE|OVERLOADED"}[5m])) > 0.1',
    for: '5m',
    severity: 'page',
    summary: 'Clients get {{ $labels.code }} {{ $value | humanize }} times per second',
    action:
      'INTERNAL: logged with the request or connection id. UNAVAILABLE: Postgres. OVERLOADED: more arrives than can be stored.',
  },
  {
    name: 'ParleySlowSends',
    expr: 'histogram_quantile(0.99, sum by (le) (rate(parley_write_stage_seconds_bucket{writer="messages",stage="total"}[5m]))) > 0.5',
    for: '10m',
    severity: 'ticket',
    summary: 'One message in a hundred waits longer than {{ $value | humanizeDuration }} for its ack',
    action: 'See the panel "Where the time goes": queue points to the CPU, commit to Postgres, publish to Redis.',
  },
  {
    name: 'ParleyOutboxBehind',
    expr: 'max(parley_outbox_oldest_seconds) > 60',
    for: '5m',
    severity: 'page',
    summary: 'Push and search are {{ $value | humanizeDuration }} behind',
    action:
      'Check for failing rounds (parley_outbox_failures_total) and the workers’ logs. Add workers if they are just busy.',
  },
  {
    name: 'ParleySearchBehind',
    expr: 'histogram_quantile(0.99, sum by (le) (rate(parley_search_index_lag_seconds_bucket[10m]))) > 10',
    for: '10m',
    severity: 'ticket',
    summary: 'Search finds new messages only after {{ $value | humanizeDuration }}',
    action: 'Proceed as for ParleyOutboxBehind. A slow push service does not delay search.',
  },
  {
    name: 'ParleyPushFailing',
    expr: 'sum(rate(parley_push_failed_total{status!~"404|410|413"}[10m])) > 0.2 * sum(rate(parley_push_sent_total[10m])) + 0.05',
    for: '10m',
    severity: 'ticket',
    summary: 'A fifth of all pushes fail',
    action:
      'By status: 401 and 403 mean our keys, 429 and 5xx the push service itself, network and timeout the way there.',
  },
  {
    name: 'ParleyPushQueueLong',
    expr: 'max(parley_push_queue_jobs{state="waiting"}) > 10000',
    for: '10m',
    severity: 'ticket',
    summary: '{{ $value | humanize }} push jobs are waiting for a worker',
    action: 'Add workers, or raise PUSH_CONCURRENCY if their CPUs are idle.',
  },
  {
    name: 'ParleyPostgresPoolFull',
    expr: 'max by (instance, pool) (parley_postgres_waiting) > 10',
    for: '5m',
    severity: 'ticket',
    summary: '{{ $labels.instance }} has {{ $value }} statements waiting for a connection',
    action: 'Look for slow statements or locks in Postgres before adding processes: each adds connections of its own.',
  },
  {
    name: 'ParleyRedisUnsteady',
    expr: 'sum by (instance) (increase(parley_redis_reconnects_total[15m])) > 5',
    for: '5m',
    severity: 'ticket',
    summary: '{{ $labels.instance }} keeps losing its connection to Redis',
    action:
      'Redis drops subscribers that fall behind (client-output-buffer-limit), and a busy event loop misses pings.',
  },
  {
    name: 'ParleyPublishesFailing',
    expr: 'sum(rate(parley_publishes_failed_total[5m])) > 1',
    for: '2m',
    severity: 'page',
    summary: 'Messages are stored but do not reach other gateways right away',
    action:
      'Redis is away or too slow. Nothing is lost: workers publish again, and clients sync once gateways have reconnected.',
  },
  {
    name: 'ParleySlowReaders',
    expr: 'sum(increase(parley_gateway_slow_readers_total[15m])) > 100',
    for: '15m',
    severity: 'ticket',
    summary: '{{ $value | humanize }} connections were closed in 15 minutes because their clients were not reading',
    action: 'Usually one client or network. The log has a line for each: "closed a connection that was not reading".',
  },
  {
    name: 'ParleyEventLoopBusy',
    expr: 'max by (instance) (nodejs_eventloop_lag_p99_seconds) > 0.25',
    for: '5m',
    severity: 'ticket',
    summary: 'Everybody on {{ $labels.instance }} waits {{ $value | humanizeDuration }} for its event loop',
    action:
      'Add processes of that kind. If only one is affected, a client may be sending too much (parley_socket_events_total).',
  },
  {
    name: 'ParleyPresenceStuck',
    expr: 'max(parley_presence_leases{state="dead"}) > 0',
    for: '5m',
    severity: 'ticket',
    summary: 'People of {{ $value }} dead gateways are still shown as online',
    action: 'Workers should clean up within seconds: check whether one is running and what it logs.',
  },
]

/** Returns the anchor of the alert's heading in docs/OPERATIONS.md. */
export function anchorOf({ name }: Alert): string {
  return name.toLowerCase()
}

const RUNBOOK = 'docs/OPERATIONS.md#'

/** Renders the alerts as a Prometheus rule file. */
export function renderRules(): string {
  const lines = [
    '# Generated by `npm run grafana` from infra/grafana/src/alerts.ts; do not edit.',
    'groups:',
    '  - name: parley',
    '    rules:',
  ]
  for (const alert of alerts) {
    lines.push(
      `      - alert: ${alert.name}`,
      `        expr: ${quoted(alert.expr)}`,
      `        for: ${alert.for}`,
      '        labels:',
      `          severity: ${alert.severity}`,
      '        annotations:',
      `          summary: ${quoted(alert.summary)}`,
      `          description: ${quoted(alert.action)}`,
      `          runbook: ${RUNBOOK}${anchorOf(alert)}`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** Quotes a text for YAML: in single quotes if it contains double quotes only. */
function quoted(text: string): string {
  return text.includes('"') && !text.includes("'") ? `'${text}'` : JSON.stringify(text)
}
