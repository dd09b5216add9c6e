import { randomBytes, randomUUID } from 'node:crypto'
import { signToken } from '@parley/auth'
import { appendMessages, migrate, type NewMessage } from '@parley/db'
import { type AppProcess, generateVapidPair, spawnApp } from '@parley/local'
import type pg from 'pg'
import { startServices } from '../services.ts'
import { createDatabase } from '../subjects/database.ts'
import { type ServiceProcess, startService } from './programs.ts'

const CONTENT = 'Hello! How are you? This message is about a hundred bytes long, as most messages of people are.'

export interface WorldOptions {
  groups: number
  /** Members of each group besides its one sender. */
  members: number
  /** Whether the push service decrypts pushes. */
  read: boolean
}

/** One api, one worker, their services, and people who are all offline, each with one device. */
export interface World extends AsyncDisposable {
  readonly service: ServiceProcess
  readonly keys: { subject: string; publicKey: string; privateKey: string }
  readonly devices: Awaited<ReturnType<ServiceProcess['subscribe']>>
  readonly worker: AppProcess
  /** Stores a message in each of these groups, like a process that died right after: nobody else publishes it. */
  send(groups: readonly number[]): Promise<string[]>
  /** Sends a message to a group over HTTP, like a client. @returns its id */
  post(group: number): Promise<string>
}

/** Starts the services, an api and a worker, and creates groups whose members have a device each. */
export async function startWorld({ groups, members, read }: WorldOptions): Promise<World> {
  const { publicKey, privateKey } = generateVapidPair()
  const keys = { subject: 'mailto:bench@parley.example', publicKey, privateKey }
  await using undo = new AsyncDisposableStack()
  const services = undo.use(await startServices())
  const service = undo.use(await startService(publicKey, read))
  const database = await createDatabase(services.postgresUrl)
  undo.defer(() => database.drop())
  await migrate(database.url)
  const { sql } = database
  const devices = await service.subscribe(groups * members)
  const ids = Array.from({ length: groups }, () => randomUUID())
  await seed(sql, ids, members, devices)
  const jwtSecret = randomBytes(32).toString('base64url')
  const env = {
    NODE_ENV: 'test',
    JWT_SECRET: jwtSecret,
    LOG_LEVEL: 'warn',
    DATABASE_URL: database.url,
    REDIS_URL: services.redisUrl,
    VAPID_PUBLIC_KEY: publicKey,
    VAPID_PRIVATE_KEY: privateKey,
    VAPID_SUBJECT: keys.subject,
    PUSH_ALLOW_PRIVATE_ENDPOINTS: 'true',
    NODE_EXTRA_CA_CERTS: service.caFile,
  }
  const start = (app: 'api' | 'worker') => spawnApp({ app, name: app, log: (line) => console.log(line), env })
  const worker = await start('worker')
  undo.defer(() => worker.stop())
  const api = await start('api')
  undo.defer(() => api.stop())
  const origin = randomUUID()
  let batch = 0
  const parts = undo.move()
  return {
    service,
    keys,
    devices,
    worker,
    async send(chosen) {
      const messages = chosen.map((index) => messageTo(ids[index] ?? '', index))
      await appendMessages(sql, messages, origin, ++batch)
      return messages.map(({ id }) => id)
    },
    async post(group) {
      const url = `http://127.0.0.1:${api.port}/api/messages/conversations/${ids[group]}/messages`
      return postMessage(url, tokenOf(group, jwtSecret))
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function messageTo(conversationId: string, group: number): NewMessage {
  return {
    id: randomUUID(),
    conversationId,
    senderId: `sender-${group}`,
    clientMessageId: randomUUID(),
    content: CONTENT,
    type: 'TEXT',
    attachments: [],
    system: null,
  }
}

/** @returns the message's id */
async function postMessage(url: string, token: string): Promise<string> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ content: CONTENT }),
  })
  const { data } = (await answer.json()) as { data: { id: string } }
  return data.id
}

function tokenOf(group: number, secret: string): string {
  return signToken(
    { JWT_SECRET: secret },
    { sub: `sender-${group}`, fullName: `Sender ${group}` },
    { expiresInSeconds: 3_600 },
  )
}

async function seed(sql: pg.Pool, ids: string[], members: number, devices: World['devices']): Promise<void> {
  const all = ids.length * members
  await sql.query(
    `insert into users (id, full_name, name_key)
     select 'sender-' || i, 'Sender ' || i, 'sender ' || i from generate_series(0, $1 - 1) i
     union all select 'user-' || i, 'User ' || i, 'user ' || i from generate_series(0, $2 - 1) i`,
    [ids.length, all],
  )
  await sql.query(
    `insert into conversations (id, type, created_by, participant_count, rev)
     select id::uuid, 'GROUP', 'sender-0', $2, 1 from unnest($1::text[]) as r (id)`,
    [ids, members + 1],
  )
  await sql.query(
    `insert into participants (conversation_id, user_id, rev)
     select ($1::text[])[1 + i]::uuid, 'sender-' || i, 1 from generate_series(0, $2 - 1) i
     union all select ($1::text[])[1 + i / $3]::uuid, 'user-' || i, 1 from generate_series(0, $4 - 1) i`,
    [ids, ids.length, members, all],
  )
  await sql.query(
    `insert into push_subscriptions (id, user_id, endpoint, p256dh, auth)
     select gen_random_uuid(), 'user-' || ord - 1, endpoint, p256dh, auth
     from unnest($1::text[], $2::text[], $3::text[]) with ordinality as t (endpoint, p256dh, auth, ord)`,
    [devices.map((d) => d.endpoint), devices.map((d) => d.keys.p256dh), devices.map((d) => d.keys.auth)],
  )
  await sql.query('analyze')
}
