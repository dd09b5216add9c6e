import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { s3Environment, startS3 } from '@parley/local/services'
import {
  type Cluster,
  dataOf,
  direct,
  emit,
  ownPostgres,
  ownRedis,
  type Pod,
  startCluster,
  user,
} from '@parley/testkit'
import { expect, it } from 'vitest'

/* Actually stops and starts services while three processes run. */

const log = (line: string) => console.log(line)
const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]

interface Answer {
  status: number
  body: { status: string; checks: Record<string, string> }
}

async function ready({ adminUrl }: Pod): Promise<Answer> {
  const answer = await fetch(`${adminUrl}/health/ready`)
  return { status: answer.status, body: (await answer.json()) as Answer['body'] }
}

const podsOf = ({ apis, gateways, workers }: Cluster) => [...apis, ...gateways, ...workers]

/** Waits until all processes report this, and checks that they are always live. */
async function allReport(cluster: Cluster, status: number, body: object): Promise<void> {
  for (const pod of podsOf(cluster)) {
    await expect.poll(() => ready(pod), { timeout: 15_000, interval: 100 }).toMatchObject({ status, body })
    expect((await fetch(`${pod.adminUrl}/health/live`)).status).toBe(200)
  }
}

it('readiness names the missing service and recovers by itself; liveness stays', async () => {
  await using database = await ownPostgres(log)
  await using redis = await ownRedis()
  await using undo = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-health-'))
  undo.defer(() => rm(dataDir, { recursive: true, force: true }))
  let s3 = await startS3({ dataDir, log })
  undo.defer(() => s3.stop())
  await using cluster = await startCluster({
    gateways: 1,
    services: { database, redis },
    env: s3Environment(s3),
  })
  const healthy = { status: 'ok', checks: { process: 'ok', postgres: 'ok', redis: 'ok', s3: 'ok' } }
  await allReport(cluster, 200, healthy)
  const conversation = await direct(cluster, ahmed, fatima)
  const socket = await cluster.socket(ahmed, { transports: ['websocket'] })
  const pids = podsOf(cluster).map(({ pid }) => pid)

  const port = Number(new URL(s3.endpoint).port)
  await s3.stop()
  await allReport(cluster, 200, {
    status: 'degraded',
    checks: { process: 'ok', postgres: 'ok', redis: 'ok', s3: 'away' },
  })
  s3 = await startS3({ dataDir, port, log })
  await allReport(cluster, 200, healthy)

  await redis.kill()
  await allReport(cluster, 503, { status: 'unavailable', checks: { postgres: 'ok', redis: 'away', s3: 'ok' } })
  // A gateway without Redis is live but not ready for new people, and still serves those who are connected.
  const content = 'stored while Redis is away'
  dataOf(await emit(socket, 'sendMessage', { conversationId: conversation.id, content }, { timeoutMs: 8_000 }))
  await redis.start()
  await allReport(cluster, 200, healthy)

  await database.stop()
  await allReport(cluster, 503, { status: 'unavailable', checks: { postgres: 'away', redis: 'ok', s3: 'ok' } })
  await database.start()
  await allReport(cluster, 200, healthy)
  expect(podsOf(cluster).map(({ pid }) => pid)).toEqual(pids)
})
