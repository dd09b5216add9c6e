import { randomUUID, randomUUIDv7 } from 'node:crypto'
import { appendMessages, type Database, openDatabase } from '@parley/db'
import type { PushPayload } from '@parley/protocol'
import type { NewJob } from '@parley/queue'
import type { RedisClient } from '@parley/redis'
import { createLogger, Metrics } from '@parley/runtime'
import { createTestDatabase, createTestRedis, redisClient } from '@parley/testkit'
import { runCloseJob } from '../src/push/close-job.ts'
import type { PushDeps } from '../src/push/deps.ts'
import { runDigestJob } from '../src/push/digest-job.ts'
import { PushLookup } from '../src/push/lookup.ts'
import { PushMetrics } from '../src/push/metrics.ts'
import { runNewsJob } from '../src/push/news-job.ts'
import type { Outcome } from '../src/push/outcome.ts'
import type { Delivery } from '../src/push/sender.ts'

/** The push jobs on a real database and Redis. What they send and queue is recorded. */
export interface PushBed extends AsyncDisposable {
  readonly db: Database
  readonly redis: RedisClient
  readonly deps: PushDeps
  /** Where `deps.metrics` are registered. */
  readonly registry: Metrics['registry']
  /** Ids of people with the application in the foreground. */
  readonly inFront: Set<string>
  /** Returns the jobs queued since the last call. */
  queued(): NewJob<'push'>[]
  /** Returns the one for this device. */
  jobFor(deviceId: string): NewJob<'push'>
  /** Runs a job at once, whatever its delay; `change` overrides deps. */
  run(job: NewJob<'push'>, change?: Partial<PushDeps>): Promise<void>
  /** Creates a conversation of these people. */
  conversation(...userIds: string[]): Promise<string>
  /** Registers a device. @returns its id */
  device(userId: string): Promise<string>
  say(conversationId: string, senderId: string, ...contents: string[]): Promise<void>
  read(userId: string, conversationId: string, seq: number): Promise<void>
  /** Sets columns of a person's membership, given as SQL. */
  set(columns: string, userId: string, conversationId: string): Promise<void>
  /** Sets what the push service answers for a device from now on; by default success. */
  answer(deviceId: string, outcome: Outcome | Promise<Outcome>): void
  /** Returns the payloads sent to a device, in order. */
  sentTo(deviceId: string): PushPayload[]
  /** Returns the delivery options of those. */
  deliveriesTo(deviceId: string): Delivery[]
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
  const sent: { deviceId: string; payload: PushPayload; delivery: Delivery }[] = []
  const queued: NewJob<'push'>[] = []
  const answers = new Map<string, Outcome | Promise<Outcome>>()
  const inFront = new Set<string>()
  const shown = new Metrics('worker', '0')
  const metrics = new PushMetrics()
  metrics.show(shown, { counts: async () => ({}) })
  const presence = {
    online: async () => new Set<string>(),
    foreground: async (userIds: readonly string[]) => new Set(userIds.filter((userId) => inFront.has(userId))),
  }
  const deps: PushDeps = {
    db,
    redis,
    lookup: new PushLookup(db, presence),
    sender: {
      async send({ endpoint }, payload, delivery) {
        const deviceId = endpoint.slice(ENDPOINT.length)
        sent.push({ deviceId, payload: JSON.parse(payload), delivery })
        return answers.get(deviceId) ?? { kind: 'sent', status: 201 }
      },
    },
    producer: { add: async (jobs) => void queued.push(...jobs) },
    metrics,
    logger: createLogger({ name: 'worker', level: 'silent' }),
    times: { ttlMs: 24 * 3_600_000, gatherMs: 0, burstMs: 0 },
  }
  const set: PushBed['set'] = async (columns, userId, conversationId) => {
    await db.pool.query(`update participants set ${columns} where conversation_id = $1 and user_id = $2`, [
      conversationId,
      userId,
    ])
  }
  let batches = 0
  const parts = undo.move()
  return {
    db,
    redis,
    deps,
    registry: shown.registry,
    inFront,
    queued: () => queued.splice(0),
    jobFor(deviceId) {
      const jobs = queued.splice(0)
      const job = jobs.find(({ data }) => 'subscriptionId' in data && data.subscriptionId === deviceId)
      if (job === undefined) throw new Error('no job of this device was queued')
      return job
    },
    async run(job, change) {
      const used = { ...deps, ...change }
      if (job.name === 'digest') await runDigestJob(used, job.data, job.id)
      else if (job.name === 'close') await runCloseJob(used, job.data, job.id)
      else await runNewsJob(used, job.data, job.id)
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
    read: (userId, conversationId, seq) => set(`last_read_seq = ${seq}`, userId, conversationId),
    set,
    answer: (deviceId, outcome) => void answers.set(deviceId, outcome),
    deliveriesTo: (deviceId) => sent.filter((push) => push.deviceId === deviceId).map(({ delivery }) => delivery),
    sentTo: (deviceId) => sent.filter((push) => push.deviceId === deviceId).map(({ payload }) => payload),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** Creates a person with this many devices, somebody who writes to them, and this many conversations of the two. */
export async function people(bed: PushBed, devices: number, conversations = 1) {
  const [sender, person] = [`sender ${randomUUID()}`, `person ${randomUUID()}`]
  const made: string[] = []
  for (let n = 0; n < conversations; n++) made.push(await bed.conversation(sender, person))
  const registered: string[] = []
  for (let n = 0; n < devices; n++) registered.push(await bed.device(person))
  return { sender, person, conversations: made, devices: registered } as const
}

export type Job<Name extends NewJob<'push'>['name']> = Extract<NewJob<'push'>, { name: Name }>

export function digestOf(userId: string): Job<'digest'> {
  return { name: 'digest', id: `digest-${randomUUID()}`, data: { userId, since: new Date(0).toISOString() } }
}

export function newsOf(userId: string, conversationId: string, seq = 1): Job<'message'> {
  const messageId = randomUUID()
  const data = { userId, conversationId, messageId, seq, firstSeq: seq, sentAt: Date.now() }
  return { name: 'message', id: messageId, data }
}

export function closeOf(userId: string, conversationId: string): Job<'close'> {
  return { name: 'close', id: `close-${randomUUID()}`, data: { userId, conversationId } }
}
