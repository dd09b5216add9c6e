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

/* Services are really stopped and started again under three running processes. */

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

/** All processes come to say this of themselves, and are live whatever they say. */
async function allSay(cluster: Cluster, status: number, body: object): Promise<void> {
  for (const pod of podsOf(cluster)) {
    await expect.poll(() => ready(pod), { timeout: 15_000, interval: 100 }).toMatchObject({ status, body })
    expect((await fetch(`${pod.adminUrl}/health/live`)).status).toBe(200)
  }
}

it('names what is missing, stays live, and is ready again by itself', async () => {
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
  const well = { status: 'ok', checks: { process: 'ok', postgres: 'ok', redis: 'ok', s3: 'ok' } }
  await allSay(cluster, 200, well)
  const conversation = await direct(cluster, ahmed, fatima)
  const socket = await cluster.socket(ahmed, { transports: ['websocket'] })
  const pids = podsOf(cluster).map(({ pid }) => pid)

  const port = Number(new URL(s3.endpoint).port)
  await s3.stop()
  await allSay(cluster, 200, { status: 'degraded', checks: { process: 'ok', postgres: 'ok', redis: 'ok', s3: 'away' } })
  s3 = await startS3({ dataDir, port, log })
  await allSay(cluster, 200, well)

  await redis.kill()
  await allSay(cluster, 503, { status: 'unavailable', checks: { postgres: 'ok', redis: 'away', s3: 'ok' } })
  // A gateway without Redis: not ready for new people, live, and of use to those it has.
  const content = 'stored while Redis is away'
  dataOf(await emit(socket, 'sendMessage', { conversationId: conversation.id, content }, { timeoutMs: 8_000 }))
  await redis.start()
  await allSay(cluster, 200, well)

  await database.stop()
  await allSay(cluster, 503, { status: 'unavailable', checks: { postgres: 'away', redis: 'ok', s3: 'ok' } })
  await database.start()
  await allSay(cluster, 200, well)
  expect(podsOf(cluster).map(({ pid }) => pid)).toEqual(pids)
})
