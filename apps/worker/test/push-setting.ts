import type { Conversation, Message, User } from '@parley/protocol'
import type { RedisClient } from '@parley/redis'
import {
  type Cluster,
  type ClusterOptions,
  dataOf,
  type PushService,
  redisClient,
  startCluster,
  startPushService,
  type TestDevice,
  vapidSettings,
} from '@parley/testkit'
import { Queue } from 'bullmq'

const QUEUE = '{parley}:push'

/** A cluster whose workers push to a test push service. */
export interface PushSetting extends AsyncDisposable {
  cluster: Cluster
  service: PushService
  /** Registers a new device of this person. */
  device(person: User): Promise<TestDevice>
  send(sender: User, conversation: Conversation, content?: string): Promise<Message>
  /** Returns the sum of a counter over all workers, for all labels or those matching `labels` (`reason="muted"`). */
  metric(name: string, labels?: string): Promise<number>
}

export interface PushSettingOptions extends ClusterOptions {
  /** Whether to keep the pushes' content or discard it unread. */
  read?: boolean
}

export async function startPushSetting({ env, read, ...options }: PushSettingOptions = {}): Promise<PushSetting> {
  const vapid = vapidSettings()
  await using undo = new AsyncDisposableStack()
  const service = undo.use(
    await startPushService({ vapidPublicKey: vapid.VAPID_PUBLIC_KEY, ...(read === undefined ? {} : { read }) }),
  )
  const cluster = undo.use(
    await startCluster({
      ...options,
      env: {
        ...vapid,
        PUSH_ALLOW_PRIVATE_ENDPOINTS: 'true',
        NODE_EXTRA_CA_CERTS: service.caFile,
        ...env,
      },
    }),
  )
  const parts = undo.move()
  return {
    cluster,
    service,
    async device(person) {
      const device = service.subscribe()
      dataOf(await cluster.api(person).post('/api/push/subscriptions', device.subscription))
      return device
    },
    async send(sender, { id }, content = 'Hello! How are you?') {
      return dataOf(await cluster.api(sender).post<Message>(`/api/messages/conversations/${id}/messages`, { content }))
    },
    async metric(name, labels = '') {
      const texts = await Promise.all(
        cluster.workers
          .filter(({ running }) => running)
          .map(async ({ adminUrl }) => (await fetch(`${adminUrl}/metrics`)).text()),
      )
      const lines = texts.flatMap((text) => text.split('\n'))
      const values = lines.filter((line) => new RegExp(`^${name}[{ ]`).test(line) && line.includes(labels))
      return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** Registers a device for each of these people directly in the database, thousands at once. */
export async function manyDevices(
  { cluster, service }: Pick<PushSetting, 'cluster' | 'service'>,
  people: readonly User[],
): Promise<Map<string, TestDevice>> {
  const devices = people.map(() => service.subscribe())
  const column = (pick: (device: TestDevice) => string) => devices.map(pick)
  await cluster.sql.query(
    `insert into push_subscriptions (id, user_id, endpoint, p256dh, auth)
     select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])`,
    [
      column(({ id }) => id),
      people.map(({ id }) => id),
      column(({ subscription }) => subscription.endpoint),
      column(({ subscription }) => subscription.keys.p256dh),
      column(({ subscription }) => subscription.keys.auth),
    ],
  )
  return new Map(people.flatMap(({ id }, index) => (devices[index] === undefined ? [] : [[id, devices[index]]])))
}

/** Runs `work` on a separate connection to a cluster's Redis. */
async function inRedis<T>({ redisUrl }: Cluster, work: (redis: RedisClient) => Promise<T>): Promise<T> {
  const redis = await redisClient(redisUrl)
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

/** Returns the number of jobs that are waiting, running, or due within the next minutes. */
async function openJobs(redis: RedisClient): Promise<number> {
  // Atomically: a job that moves from one state to the next between two reads would be in neither.
  const counts = await redis
    .multi()
    .llen(`${QUEUE}:wait`)
    .llen(`${QUEUE}:active`)
    // BullMQ stores the time in the upper bits of the score.
    .zcount(`${QUEUE}:delayed`, '-inf', (Date.now() + 300_000) * 4_096)
    .exec()
  if (counts === null) throw new Error('Redis did not count')
  return counts.reduce((sum, [error, count]) => {
    if (error) throw error
    return sum + Number(count)
  }, 0)
}

/** Waits until every job that is due has run; those that wait for the end of quiet hours stay. */
export async function idle({ cluster }: Pick<PushSetting, 'cluster'>, timeoutMs?: number): Promise<void> {
  await inRedis(cluster, (redis) => {
    const quiet = async () => {
      const { rows } = await cluster.sql.query('select 1 from outbox union all select 1 from push_closings limit 1')
      return rows.length === 0 && (await openJobs(redis)) === 0
    }
    return eventually('the outbox is empty and no job is due', quiet, timeoutMs)
  })
}

/**
 * Holds the turns of these people's notifications of a conversation, so that their jobs wait, for at most a minute.
 * @returns a function that releases them
 */
export async function holdTurns(
  { cluster }: Pick<PushSetting, 'cluster'>,
  { id }: Conversation,
  ...people: User[]
): Promise<() => Promise<void>> {
  const keys = people.map((person) => `parley:push:turn:${id}:${person.id}`)
  await inRedis(cluster, (redis) => Promise.all(keys.map((key) => redis.set(key, 'a test', 'PX', 60_000))))
  return async () => void (await inRedis(cluster, (redis) => Promise.all(keys.map((key) => redis.del(key)))))
}

/** Opens the application in the foreground for a person, and waits until Redis has it. */
export async function lookAt({ cluster }: Pick<PushSetting, 'cluster'>, person: User): Promise<void> {
  await cluster.socket(person)
  // Presence is recorded after the socket has been let in.
  await inRedis(cluster, (redis) =>
    eventually('they are there', async () => (await redis.exists(`presence:user:${person.id}`)) === 1),
  )
}

/** Makes all delayed jobs run now. */
export async function promoteDelayed({ cluster }: Pick<PushSetting, 'cluster'>): Promise<void> {
  const connection = await redisClient(cluster.redisUrl)
  const queue = new Queue('push', { connection, prefix: '{parley}' })
  try {
    await queue.promoteJobs()
  } finally {
    await queue.close()
    connection.disconnect()
  }
}

/** Resolves when `test` holds; polls every 50 ms, for rows and counters without events. The limit is a watchdog. */
export async function eventually(what: string, test: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const limit = Date.now() + timeoutMs
  while (!(await test())) {
    if (Date.now() > limit) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Returns quiet hours that have just started. */
export function quietNow(): { start: string; end: string; timeZone: string } {
  const minute = (offset: number) => new Date(Date.now() + offset * 60_000).toISOString().slice(11, 16)
  return { start: minute(-1), end: minute(30), timeZone: 'UTC' }
}
