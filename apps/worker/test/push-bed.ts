import { randomUUID, randomUUIDv7 } from 'node:crypto'
import { appendMessages, type Database, openDatabase } from '@parley/db'
import type { PushPayload } from '@parley/protocol'
import type { NewJob } from '@parley/queue'
import type { RedisClient } from '@parley/redis'
import { createLogger } from '@parley/runtime'
import { createTestDatabase, createTestRedis, redisClient } from '@parley/testkit'
import { Registry } from 'prom-client'
import { runCloseJob } from '../src/push/close-job.ts'
import type { PushDeps } from '../src/push/deps.ts'
import { runDigestJob } from '../src/push/digest-job.ts'
import { PushLookup } from '../src/push/lookup.ts'
import { PushMetrics } from '../src/push/metrics.ts'
import { runNewsJob } from '../src/push/news-job.ts'
import type { Outcome } from '../src/push/outcome.ts'

/** The jobs of push on a real database and Redis. What they send and what they queue is kept here. */
export interface PushBed extends AsyncDisposable {
  readonly db: Database
  readonly redis: RedisClient
  readonly deps: PushDeps
  /** Jobs that were queued since the last look. */
  queued(): NewJob<'push'>[]
  /** Runs a job at once, however long it is to wait. */
  run(job: NewJob<'push'>): Promise<void>
  /** Makes a conversation of these people, of whom nobody looks at the application. */
  conversation(...userIds: string[]): Promise<string>
  /** Registers a device. @returns its id */
  device(userId: string): Promise<string>
  say(conversationId: string, senderId: string, ...contents: string[]): Promise<void>
  read(userId: string, conversationId: string, seq: number): Promise<void>
  /** What a push service answers for a device from now on; at first that it took the push. */
  answer(deviceId: string, outcome: Outcome): void
  /** What was sent to a device, in order. */
  sentTo(deviceId: string): PushPayload[]
}

const ENDPOINT = 'https://push.example/'

export async function createPushBed(): Promise<PushBed> {
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await createTestDatabase())
  const server = undo.use(await createTestRedis())
  const redis = await redisClient(server.url)
  undo.defer(() => redis.disconnect())
  const db = openDatabase({ url: database.url, max: 4, applicationName: 'push-test' })
  undo.defer(() => db.close())
  const sent: { deviceId: string; payload: PushPayload }[] = []
  const queued: NewJob<'push'>[] = []
  const answers = new Map<string, Outcome>()
  const nobody = async () => new Set<string>()
  const deps: PushDeps = {
    db,
    redis,
    lookup: new PushLookup(db, { online: nobody, foreground: nobody }),
    sender: {
      async send({ endpoint }, payload) {
        const deviceId = endpoint.slice(ENDPOINT.length)
        sent.push({ deviceId, payload: JSON.parse(payload) })
        return answers.get(deviceId) ?? { kind: 'sent', status: 201 }
      },
    },
    producer: { add: async (jobs) => void queued.push(...jobs) },
    metrics: new PushMetrics(new Registry()),
    logger: createLogger({ name: 'worker', level: 'silent' }),
    times: { ttlMs: 24 * 3_600_000, gatherMs: 0, burstMs: 0 },
  }
  let batches = 0
  const parts = undo.move()
  return {
    db,
    redis,
    deps,
    queued: () => queued.splice(0),
    async run(job) {
      if (job.name === 'digest') await runDigestJob(deps, job.data, job.id)
      else if (job.name === 'close') await runCloseJob(deps, job.data, job.id)
      else await runNewsJob(deps, job.data, job.id)
    },
    async conversation(...userIds) {
      const id = randomUUID()
      await db.pool.query(
        'insert into users (id, full_name, name_key) select u, u, u from unnest($1::text[]) u on conflict do nothing',
        [userIds],
      )
      await db.pool.query(
        `insert into conversations (id, type, created_by, participant_count) values ($1, 'GROUP', $2, $3)`,
        [id, userIds[0], userIds.length],
      )
      await db.pool.query('insert into participants (conversation_id, user_id) select $1, unnest($2::text[])', [
        id,
        userIds,
      ])
      return id
    },
    async device(userId) {
      const id = randomUUID()
      await db.pool.query(
        `insert into push_subscriptions (id, user_id, endpoint, p256dh, auth) values ($1, $2, $3, 'key', 'secret')`,
        [id, userId, ENDPOINT + id],
      )
      return id
    },
    async say(conversationId, senderId, ...contents) {
      const usual = { clientMessageId: null, type: 'TEXT', system: null } as const
      const batch = contents.map((content) => {
        return { id: randomUUIDv7(), conversationId, senderId, content, attachments: [], ...usual }
      })
      await appendMessages(db.pool, batch, 'push-test', ++batches)
    },
    async read(userId, conversationId, seq) {
      await db.pool.query('update participants set last_read_seq = $3 where user_id = $1 and conversation_id = $2', [
        userId,
        conversationId,
        seq,
      ])
    },
    answer: (deviceId, outcome) => void answers.set(deviceId, outcome),
    sentTo: (deviceId) => sent.filter((push) => push.deviceId === deviceId).map(({ payload }) => payload),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
