import { randomBytes } from 'node:crypto'
import { signToken } from '@parley/auth'
import { migrate } from '@parley/db'
import { spawnApp } from '@parley/local'
import pg from 'pg'
import { createDatabase } from './database.ts'
import { layOut, type RunningSubject, type Services, type Shape, type Subject, uuidOf } from './subject.ts'

/** The real thing, all on, as `npm start` runs it: an api, two gateways, a worker, tokens, outbox. */
export const parley: Subject = {
  name: 'parley',
  async start(services: Services, shape: Shape): Promise<RunningSubject> {
    const database = await createDatabase(services.postgresUrl)
    await migrate(database.url)
    const sql = new pg.Pool({ connectionString: database.url, max: 2 })
    await seed(sql, shape)
    const secret = randomBytes(32).toString('base64url')
    const env = {
      NODE_ENV: 'development',
      LOG_LEVEL: 'warn',
      DATABASE_URL: database.url,
      REDIS_URL: services.redisUrl,
      JWT_SECRET: secret,
    }
    const log = (line: string) => console.log(line)
    const apps = await Promise.all(
      (['gateway', 'gateway', 'api', 'worker'] as const).map((app, i) =>
        spawnApp({ app, env, name: `${app}-${i}`, log }),
      ),
    )
    const gateways = apps.slice(0, 2).map((app) => `http://127.0.0.1:${app.port}`)
    const settings = {
      NODE_ENV: 'development',
      JWT_SECRET: secret,
      JWT_JWKS_URL: undefined,
      JWT_ISSUER: undefined,
      JWT_AUDIENCE: undefined,
    } as const
    const users = layOut(shape, gateways, (user, room) => ({
      auth: {
        token: signToken(settings, { sub: `user-${user}`, fullName: `User ${user}` }, { expiresInSeconds: 3_600 }),
      },
      conversationId: uuidOf(room),
    }))
    return {
      users,
      stored: async () => Number((await sql.query('select count(*) from messages')).rows[0].count),
      async stop() {
        await Promise.all(apps.map((app) => app.stop()))
        await sql.end()
        await database.drop()
      },
    }
  },
}

/** People and rooms by SQL: how they come about is not what is measured. */
async function seed(sql: pg.Pool, { users, roomSize }: Shape): Promise<void> {
  const rooms = Math.ceil(users / roomSize)
  await sql.query(
    `insert into users (id, full_name, name_key) select 'user-' || i, 'User ' || i, 'user ' || i from generate_series(0, $1 - 1) i`,
    [users],
  )
  await sql.query(
    `insert into conversations (id, type, created_by, participant_count, rev)
     select id::uuid, 'GROUP', 'user-0', $2, 1 from unnest($1::text[]) as r (id)`,
    [Array.from({ length: rooms }, (_, room) => uuidOf(room)), roomSize],
  )
  await sql.query(
    `insert into participants (conversation_id, user_id, rev)
     select ($1::text[])[1 + i / $2]::uuid, 'user-' || i, 1 from generate_series(0, $3 - 1) i`,
    [Array.from({ length: rooms }, (_, room) => uuidOf(room)), roomSize, users],
  )
  await sql.query('analyze')
}
