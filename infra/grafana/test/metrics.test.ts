import { execFileSync } from 'node:child_process'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Message } from '@parley/protocol'
import {
  type Cluster,
  dataOf,
  direct,
  emit,
  errorOf,
  next,
  type PushService,
  startCluster,
  startPushService,
  user,
  vapidSettings,
} from '@parley/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { alerts, anchorOf } from '../src/alerts.ts'
import { dashboards } from '../src/dashboards.ts'
import { generatedFiles } from '../src/files.ts'
import { findPromtool } from './promtool.ts'
import { metricsPage, readScrape, type Scrape, seriesIn } from './scrape.ts'

/*
 * Runs all three kinds of processes and exercises everything. Their metrics are then compared with every metric and label that
 * dashboards and alert rules use, and with docs/METRICS.md.
 */

const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
let cluster: Cluster
let service: PushService
let scrape: Scrape
/** The metrics before anything has happened. */
let fresh: Scrape

beforeAll(async () => {
  const vapid = vapidSettings()
  service = await startPushService({ vapidPublicKey: vapid.VAPID_PUBLIC_KEY })
  cluster = await startCluster({
    env: {
      ...vapid,
      PUSH_ALLOW_PRIVATE_ENDPOINTS: 'true',
      PUSH_BURST_MS: '0',
      PUSH_GATHER_MS: '50',
      NODE_EXTRA_CA_CERTS: service.caFile,
    },
  })
  fresh = await scrapeAll()
  await traffic()
  await vi.waitUntil(
    async () => {
      scrape = await scrapeAll()
      const late = [
        'parley_push_sent_total',
        'parley_push_failed_total',
        'parley_gateway_disconnects_total',
        // Exists after the first garbage collection.
        'nodejs_gc_duration_seconds_sum',
      ]
      return late.every((name) => (scrape.samples.get(name)?.size ?? 0) > 0)
    },
    { timeout: 20_000, interval: 200 },
  )
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await service?.[Symbol.asyncDispose]()
})

/** Messages and reads, an error, a push suppressed because of the foreground, one that fails and one that succeeds. */
async function traffic(): Promise<void> {
  const conversation = await direct(cluster, ahmed, fatima)
  const device = service.subscribe()
  service.answer(device, { status: 500 })
  dataOf(await cluster.api(fatima).post('/api/push/subscriptions', device.subscription))
  const near = await cluster.socket(ahmed, { gateway: 0 })
  const far = await cluster.socket(fatima, { gateway: 1 })
  const send = async () => {
    const arrived = next(far, 'newMessage')
    const body = { conversationId: conversation.id, content: 'Hello' }
    const message = dataOf(await emit<Message>(near, 'sendMessage', body))
    await arrived
    return message
  }
  const { id: messageId } = await send()
  errorOf(await emit(near, 'sendMessage', {}))
  // Wait until the worker has processed the first message and found her in the foreground.
  await vi.waitUntil(() => shows('worker', /parley_push_suppressed_total\{reason="foreground"\} [1-9]/), {
    timeout: 10_000,
    interval: 100,
  })
  dataOf(await emit(far, 'markAsRead', { conversationId: conversation.id, messageId }))
  dataOf(await emit(far, 'setVisibility', { visible: false }))
  await send()
  await service.until(({ length }) => length === 1)
  await send()
  await service.until(() => service.shown(device).length > 0)
  far.disconnect()
}

async function shows(kind: string, what: RegExp): Promise<boolean> {
  const pods = podsByKind().filter(([name]) => name === kind)
  const texts = await Promise.all(pods.map(async ([, { adminUrl }]) => (await fetch(`${adminUrl}/metrics`)).text()))
  return texts.some((text) => what.test(text))
}

function podsByKind() {
  return [
    ...cluster.apis.map((pod) => ['api', pod] as const),
    ...cluster.gateways.map((pod) => ['gateway', pod] as const),
    ...cluster.workers.map((pod) => ['worker', pod] as const),
  ]
}

async function scrapeAll(): Promise<Scrape> {
  const all: Scrape = { metrics: new Map(), samples: new Map() }
  for (const [kind, { adminUrl }] of podsByKind()) {
    const answer = await fetch(`${adminUrl}/metrics`)
    expect(answer.headers.get('content-type')).toContain('text/plain')
    readScrape(all, kind, await answer.text())
  }
  return all
}

const expressions = [
  ...dashboards.flatMap(({ uid, rows }) =>
    rows.flatMap(({ panels }) =>
      panels.flatMap(({ title, queries }) =>
        queries.map(({ expr, legend }) => ({ where: `${uid}: ${title}`, expr, legend })),
      ),
    ),
  ),
  ...alerts.map(({ name, expr, summary }) => ({
    where: name,
    expr,
    legend: summary.replaceAll('$labels.', '').replaceAll(/\{\{ \$value[^}]*\}\}/g, ''),
  })),
]

it.each(expressions)('$where: $expr uses only existing metrics and labels', ({ expr, legend }) => {
  const series = seriesIn(expr)
  expect(series.length).toBeGreaterThan(0)
  // A legend can only use labels that the expression keeps.
  const shown = [...legend.matchAll(/\{\{ ?(\w+) ?\}\}/g)].map(([, label = '']) => label)
  for (const label of shown.filter((name) => name !== 'instance')) expect(expr).toContain(label)
  for (const { name, labels } of series) {
    const known = scrape.samples.get(name)
    expect(known, name).toBeDefined()
    expect(
      labels.filter((label) => !known?.has(label)),
      `labels of ${name}`,
    ).toEqual([])
  }
})

it('metrics used in comparisons exist from the start: otherwise Prometheus compares nothing, and the rule never fires', () => {
  const compared = alerts.flatMap(({ expr }) => expr.split(/[<>]=?|==/).slice(1)).flatMap((side) => seriesIn(side))
  expect(compared.map(({ name }) => name)).toEqual(['parley_push_sent_total'])
  expect(compared.filter(({ name }) => !fresh.samples.has(name))).toEqual([])
})

it('metric names follow Prometheus’ conventions, and no label contains an id', () => {
  for (const { name, type, help, labels } of scrape.metrics.values()) {
    if (!name.startsWith('parley_')) continue
    expect(help.length, name).toBeGreaterThan(10)
    expect(name.endsWith('_total'), name).toBe(type === 'counter')
    expect(name, name).not.toMatch(/_(ms|milliseconds|minutes|kb|mb)(_|$)/)
    expect(
      [...labels].filter((label) => /id$/i.test(label)),
      name,
    ).toEqual([])
  }
})

it('every metric is used by a dashboard or an alert', () => {
  const spoken = new Set(
    expressions.flatMap(({ expr }) => seriesIn(expr).map(({ name }) => name.replace(/_(bucket|sum|count)$/, ''))),
  )
  const own = [...scrape.metrics.keys()].filter((name) => name.startsWith('parley_'))
  expect(own.filter((name) => !spoken.has(name))).toEqual([])
})

it('docs/METRICS.md lists them', async () => {
  await expect(metricsPage(scrape)).toMatchFileSnapshot('../../../docs/METRICS.md')
})

it('dashboards and rules are up to date: npm run grafana', async () => {
  for (const [path, content] of generatedFiles()) {
    expect(await readFile(new URL(`../${path}`, import.meta.url), 'utf8'), path).toBe(content)
  }
})

it('docs/OPERATIONS.md says what to do about every alert', async () => {
  const text = await readFile(new URL('../../../docs/OPERATIONS.md', import.meta.url), 'utf8')
  const index = [...text.matchAll(/^\| \[(\w+)\]\(#(\w+)\) +\| (page|ticket) /gm)].map(([, ...row]) => row)
  expect(index).toEqual(alerts.map((alert) => [alert.name, anchorOf(alert), alert.severity]))
  for (const { name } of alerts) {
    const [, runbook] = new RegExp(`^### ${name}\\n([\\s\\S]*?)(?=^##)`, 'm').exec(text) ?? []
    for (const part of ['Symptom', 'Check', 'Action']) expect(runbook, name).toContain(`**${part}**`)
  }
})

it('the public address exposes no metrics', async () => {
  expect((await fetch(`${cluster.url}/metrics`)).headers.get('content-type')).not.toContain('text/plain; version')
})

it('Prometheus accepts its configuration, the rules, and every expression of the dashboards', async () => {
  // Without promtool, expressions are only checked above.
  const promtool = findPromtool()
  if (promtool === null) return console.log('promtool is not installed: it has not checked rules and dashboards')
  await using folder = await mkdtempDisposable(join(tmpdir(), 'parley-promtool-'))
  // promtool checks expressions only inside rules.
  const rules = expressions.map(({ expr }, index) => ({
    record: `parley:expression:${index}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
  }))
  const written = join(folder.path, 'expressions.yml')
  await writeFile(written, JSON.stringify({ groups: [{ name: 'expressions', rules }] }))
  const config = fileURLToPath(new URL('../prometheus.yml', import.meta.url))
  expect(execFileSync(promtool, ['check', 'config', config], { encoding: 'utf8' })).toContain(
    'is valid prometheus config',
  )
  const own = fileURLToPath(new URL('../alerts/parley.rules.yml', import.meta.url))
  const said = execFileSync(promtool, ['check', 'rules', own, written], { encoding: 'utf8' })
  expect(said.match(/SUCCESS: \d+ rules found/g)).toEqual([
    `SUCCESS: ${alerts.length} rules found`,
    `SUCCESS: ${expressions.length} rules found`,
  ])
})
