import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { signToken } from '@parley/auth'
import { migrate } from '@parley/db'
import { generateVapidPair, spawnApp } from '@parley/local'
import { Redis } from 'ioredis'
import type pg from 'pg'
import { createDatabase } from './database.ts'
import { layOut, type RunningSubject, roomsOf, type Services, type Shape, type Subject, uuidOf } from './subject.ts'

export interface RunningParley extends RunningSubject {
  /** http://host:port of the api. */
  api: string
  databaseUrl: string
  sql: pg.Pool
}

/** Parley with everything on, as `npm start` runs it: an api, two gateways, a worker, tokens, outbox. */
export const parley = {
  name: 'parley',
  async start(services: Services, shape: Shape): Promise<RunningParley> {
    const database = await createDatabase(services.postgresUrl)
    await migrate(database.url)
    await emptyRedis(services.redisUrl)
    const { sql } = database
    await seed(sql, shape)
    const secret = randomBytes(32).toString('base64url')
    const settings = { NODE_ENV: 'development', JWT_SECRET: secret } as const
    const { publicKey, privateKey } = generateVapidPair()
    const push = {
      VAPID_PUBLIC_KEY: publicKey,
      VAPID_PRIVATE_KEY: privateKey,
      VAPID_SUBJECT: 'mailto:bench@example.com',
    }
    const servers = { DATABASE_URL: database.url, REDIS_URL: services.redisUrl }
    const env = { ...settings, ...push, ...servers, LOG_LEVEL: 'warn' }
    const log = (line: string) => console.log(line)
    const count = shape.gateways ?? 2
    const names = [...Array.from({ length: count }, () => 'gateway' as const), 'api' as const, 'worker' as const]
    const apps = await Promise.all(
      names.map((app, i) => spawnApp({ app, env: { ...env, ...profilerSettings() }, name: `${app}-${i}`, log })),
    )
    const urls = apps.map((app) => `http://127.0.0.1:${app.port}`)
    const users = layOut(shape, urls.slice(0, count), (user) => ({
      auth: {
        token: signToken(settings, { sub: `user-${user}`, fullName: `User ${user}` }, { expiresInSeconds: 3_600 }),
      },
    }))
    return {
      users,
      api: urls[count] ?? '',
      databaseUrl: database.url,
      sql,
      gatewayPids: apps.slice(0, count).map(({ pid }) => pid),
      stored: async () => Number((await sql.query('select count(*) from messages')).rows[0].count),
      async settled() {
        while ((await sql.query('select from outbox limit 1')).rowCount !== 0) await delay(20)
      },
      async stop() {
        await Promise.all(apps.map((app) => app.stop()))
        await database.drop()
      },
    }
  },
} satisfies Subject

/** Empties the benchmark's own Redis, so that people of the previous round are not reported as offline in this one. */
async function emptyRedis(url: string): Promise<void> {
  const redis = new Redis(url)
  await redis.flushall().finally(() => redis.disconnect())
}

/** With BENCH_PROFILE=folder, every process writes a CPU profile there when it stops. */
function profilerSettings(): Record<string, string> {
  const folder = process.env.BENCH_PROFILE
  return folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` }
}

/** Creates people and rooms in SQL, as creating them is not measured. */
async function seed(sql: pg.Pool, shape: Shape): Promise<void> {
  const members = Array.from({ length: shape.users }, (_, user) => user).flatMap((user) =>
    roomsOf(user, shape).map((room) => ({ user: `user-${user}`, room: uuidOf(room) })),
  )
  await sql.query(
    `insert into users (id, full_name, name_key, profile_at)
     select 'user-' || i, 'User ' || i, 'user ' || i, '2020-01-01' from generate_series(0, $1 - 1) i`,
    [shape.users],
  )
  await sql.query(
    `insert into conversations (id, type, created_by, participant_count, rev)
     select id::uuid, 'GROUP', 'user-0', count(*), 1 from unnest($1::text[]) as r (id) group by id`,
    [members.map(({ room }) => room)],
  )
  await sql.query(
    `insert into participants (conversation_id, user_id, rev)
     select room::uuid, user_id, 1 from unnest($1::text[], $2::text[]) as m (room, user_id)`,
    [members.map(({ room }) => room), members.map(({ user }) => user)],
  )
  await sql.query('analyze')
}
