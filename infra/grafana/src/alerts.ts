export interface Alert {
  name: string
  expr: string
  /** How long it has to hold. */
  for: string
  /** page: somebody gets up. ticket: somebody looks tomorrow. */
  severity: 'page' | 'ticket'
  /** One line for a phone; `{{ $labels.x }}` and `{{ $value }}` are Prometheus' own. */
  summary: string
  /** What to do first. The whole of it stands in docs/OPERATIONS.md under a heading of the alert's name. */
  action: string
}

export const alerts: readonly Alert[] = [
  {
    name: 'ParleyGatewaysGone',
    expr: 'absent(parley_info{process="gateway"})',
    for: '1m',
    severity: 'page',
    summary: 'No gateway answers Prometheus',
    action: 'Look whether gateway pods run and are live; nobody is connected while there is none.',
  },
  {
    name: 'ParleyApiGone',
    expr: 'absent(parley_info{process="api"})',
    for: '1m',
    severity: 'page',
    summary: 'No api pod answers Prometheus',
    action: 'Look whether api pods run and are live; HTTP requests are refused by the balancer while there is none.',
  },
  {
    name: 'ParleyWorkersGone',
    expr: 'absent(parley_info{process="worker"})',
    for: '5m',
    severity: 'page',
    summary: 'No worker answers Prometheus',
    action:
      'Look whether workers run; messages flow, but push, search and presence clean-up stand still. Nothing is lost.',
  },
  {
    name: 'ParleyDependencyAway',
    expr: 'min by (dependency) (parley_dependency_up{dependency!~"s3|replica"}) == 0',
    for: '1m',
    severity: 'page',
    summary: 'At least one process does not reach {{ $labels.dependency }}',
    action: 'See which processes. One alone: its node or its network. All of them: the service itself.',
  },
  {
    name: 'ParleyLeaseLost',
    expr: 'min by (instance) (parley_presence_lease_held) == 0',
    for: '1m',
    severity: 'page',
    summary: 'The people of {{ $labels.instance }} are shown as offline: it cannot hold its lease in Redis',
    action:
      'All gateways: Redis takes no writes (full, a replica, a disk that is full). One alone: its processor or its network.',
  },
  {
    name: 'ParleyRestarting',
    expr: 'max by (instance) (changes(process_start_time_seconds[30m])) > 2',
    for: '1m',
    severity: 'page',
    summary: '{{ $labels.instance }} has begun anew {{ $value }} times in half an hour',
    action: 'Why it ended is in its exit code and its last lines: 78 a setting, 137 memory or a probe, 1 what it logs.',
  },
  {
    name: 'ParleyFilesShort',
    expr: 'max by (instance) (process_open_fds / process_max_fds) > 0.8',
    for: '5m',
    severity: 'page',
    summary: '{{ $labels.instance }} has {{ $value | humanizePercentage }} of the files open that it may open',
    action: 'Each connection is a file: raise the limit (ulimit -n) or add processes. At the limit nobody new gets in.',
  },
  {
    name: 'ParleyGatewayFull',
    expr: 'max by (instance) (parley_gateway_connections) > 10000',
    for: '10m',
    severity: 'ticket',
    summary: '{{ $labels.instance }} has {{ $value | humanize }} connections',
    action: 'Add gateways before one goes and the others have to take what it had.',
  },
  {
    name: 'ParleyStorageAway',
    expr: 'min by (dependency) (parley_dependency_up{dependency="s3"}) == 0',
    for: '5m',
    severity: 'ticket',
    summary: 'Attachments cannot be stored: the bucket does not answer',
    action:
      'GET /health/ready says what is wrong with it (away, no such bucket, refuses our key). Messages without files go on.',
  },
  {
    name: 'ParleyReplicaAway',
    expr: 'min by (dependency) (parley_dependency_up{dependency="replica"}) == 0',
    for: '5m',
    severity: 'ticket',
    summary: 'The read replica does not answer; the primary reads history and search in its place',
    action:
      'Look at the replica (DATABASE_REPLICA_URL) and watch the load of the primary. Clients notice nothing while it copes.',
  },
  {
    name: 'ParleyErrors',
    expr: 'sum by (code) (rate(parley_errors_total{code=~"INTERNAL|UNAVAILABLE|OVERLOADED"}[5m])) > 0.1',
    for: '5m',
    severity: 'page',
    summary: 'Clients are answered {{ $labels.code }} {{ $value | humanize }} times a second',
    action:
      'INTERNAL: the log has each with its request or connection id. UNAVAILABLE: Postgres. OVERLOADED: more comes than is stored.',
  },
  {
    name: 'ParleySlowSends',
    expr: 'histogram_quantile(0.99, sum by (le) (rate(parley_write_stage_seconds_bucket{writer="messages",stage="total"}[5m]))) > 0.5',
    for: '10m',
    severity: 'ticket',
    summary: 'One message in a hundred waits longer than {{ $value | humanizeDuration }} for its ack',
    action: 'Look at the panel "Where it goes": queue is the processor, commit is Postgres, publish is Redis.',
  },
  {
    name: 'ParleyOutboxBehind',
    expr: 'max(parley_outbox_oldest_seconds) > 60',
    for: '5m',
    severity: 'page',
    summary: 'Push and search are {{ $value | humanizeDuration }} behind',
    action:
      'Look for failing rounds (parley_outbox_failures_total) and at the workers’ log; add workers if they are just busy.',
  },
  {
    name: 'ParleySearchBehind',
    expr: 'histogram_quantile(0.99, sum by (le) (rate(parley_search_index_lag_seconds_bucket[10m]))) > 10',
    for: '10m',
    severity: 'ticket',
    summary: 'Messages are found by search only after {{ $value | humanizeDuration }}',
    action: 'As for an outbox that is behind; a push service that is slow does not hold up search.',
  },
  {
    name: 'ParleyPushFailing',
    expr: 'sum(rate(parley_push_failed_total{status!~"404|410|413"}[10m])) > 0.2 * sum(rate(parley_push_sent_total[10m])) + 0.05',
    for: '10m',
    severity: 'ticket',
    summary: 'A fifth of all pushes fail',
    action:
      'By status: 401 and 403 are our keys, 429 and 5xx a push service’s own trouble, network and timeout the way there.',
  },
  {
    name: 'ParleyPushQueueLong',
    expr: 'max(parley_push_queue_jobs{state="waiting"}) > 10000',
    for: '10m',
    severity: 'ticket',
    summary: '{{ $value | humanize }} pushes wait for a worker',
    action: 'Add workers, or raise PUSH_CONCURRENCY where their processors are idle.',
  },
  {
    name: 'ParleyPostgresPoolFull',
    expr: 'max by (instance, pool) (parley_postgres_waiting) > 10',
    for: '5m',
    severity: 'ticket',
    summary: '{{ $labels.instance }} has {{ $value }} statements waiting for a connection',
    action:
      'Look for slow statements or locks in Postgres before adding processes: each brings connections of its own.',
  },
  {
    name: 'ParleyRedisUnsteady',
    expr: 'sum by (instance) (increase(parley_redis_reconnects_total[15m])) > 5',
    for: '5m',
    severity: 'ticket',
    summary: '{{ $labels.instance }} keeps losing Redis',
    action:
      'Redis drops subscribers that fall behind (client-output-buffer-limit), and a busy event loop misses pings.',
  },
  {
    name: 'ParleyPublishesFailing',
    expr: 'sum(rate(parley_publishes_failed_total[5m])) > 1',
    for: '2m',
    severity: 'page',
    summary: 'Messages are stored but do not reach other gateways at once',
    action:
      'Redis is away or too slow. Nothing is lost: workers publish again, clients sync when gateways are reconnected.',
  },
  {
    name: 'ParleySlowReaders',
    expr: 'sum(increase(parley_gateway_slow_readers_total[15m])) > 100',
    for: '15m',
    severity: 'ticket',
    summary: '{{ $value | humanize }} connections were cut off in 15 minutes because they did not read',
    action: 'Usually one client or network. The log has a line for each: "closed a connection that was not reading".',
  },
  {
    name: 'ParleyEventLoopBusy',
    expr: 'max by (instance) (nodejs_eventloop_lag_p99_seconds) > 0.25',
    for: '5m',
    severity: 'ticket',
    summary: 'Everybody on {{ $labels.instance }} waits {{ $value | humanizeDuration }} for its event loop',
    action:
      'Add processes of that kind; a single one that stands out has a client that sends too much (parley_socket_events_total).',
  },
  {
    name: 'ParleyPresenceStuck',
    expr: 'max(parley_presence_leases{state="dead"}) > 0',
    for: '5m',
    severity: 'ticket',
    summary: '{{ $value }} dead gateways’ people are still shown as online',
    action: 'Workers clean up within seconds: look whether one runs and what it logs.',
  },
]

/** The heading that an alert has in docs/OPERATIONS.md, as its anchor. */
export function anchorOf({ name }: Alert): string {
  return name.toLowerCase()
}

const RUNBOOK = 'docs/OPERATIONS.md#'

/** Rules as Prometheus reads them. */
export function renderRules(): string {
  const lines = [
    '# Made by `npm run grafana` from infra/grafana/src/alerts.ts.',
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

/** A YAML string in the quotes that it does not hold itself. */
function quoted(text: string): string {
  return text.includes('"') && !text.includes("'") ? `'${text}'` : JSON.stringify(text)
}
