import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Message, SearchHit } from '@parley/protocol'
import {
  createTestDatabase,
  dataOf,
  direct,
  emit,
  next,
  redisCluster,
  securedServices,
  throughPgBouncer,
  user,
} from '@parley/testkit'
import { expect, it } from 'vitest'
import { eventually, type PushSettingOptions, startPushSetting } from './push-setting.ts'

/*
 * A whole cluster on services that are not the usual ones: everything that crosses Redis or the database, once. That
 * every test passes on them is what `npm run test:profiles` shows.
 */

async function everythingOnce(options: PushSettingOptions): Promise<void> {
  await using setting = await startPushSetting(options)
  const { cluster, service } = setting
  const [ahmed, fatima, away] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Away')]
  const conversation = await direct(cluster, ahmed, fatima)
  const distant = await direct(cluster, ahmed, away)
  const a = await cluster.socket(ahmed, { gateway: 0, transports: ['websocket'] })
  const online = next(a, 'userOnline')
  const f = await cluster.socket(fatima, { gateway: 1, transports: ['websocket'] })
  expect(await online).toMatchObject({ userId: fatima.id })
  expect(dataOf(await emit<string[]>(a, 'getOnlineUsers'))).toEqual([fatima.id])

  const typing = next(f, 'userTyping')
  a.emit('typing', { conversationId: conversation.id, isTyping: true })
  expect(await typing).toMatchObject({ conversationId: conversation.id, userId: ahmed.id })

  const received = next(f, 'newMessage')
  const sent = await emit<Message>(a, 'sendMessage', { conversationId: conversation.id, content: 'Hello over there' })
  expect(await received).toMatchObject({ content: 'Hello over there', seq: 1 })
  const read = next(a, 'messageRead')
  await emit(f, 'markAsRead', { conversationId: conversation.id, messageId: dataOf(sent).id })
  await read

  const path = `/api/messages/conversations/${conversation.id}/messages`
  expect(dataOf(await cluster.api(fatima).get<Message[]>(path))).toMatchObject([{ content: 'Hello over there' }])
  await eventually('the message is found', async () => {
    return dataOf(await cluster.api(fatima).get<SearchHit[]>('/api/messages/search?query=over')).length === 1
  })

  const device = await setting.device(away)
  await setting.send(ahmed, distant, 'Are you there?')
  await service.until(() => service.shown(device).length > 0)
  expect(service.shown(device)).toMatchObject([{ payload: { body: 'Are you there?' } }])

  const offline = next(a, 'userOffline')
  f.disconnect()
  expect(await offline).toMatchObject({ userId: fatima.id })
}

it('Redis Cluster', async () => {
  await using redis = await redisCluster()
  await everythingOnce({ services: { redis } })
})

it('PgBouncer in transaction mode', async () => {
  await using database = await createTestDatabase()
  await using pooled = await throughPgBouncer(database)
  await everythingOnce({ services: { database: pooled } })
})

it.each([
  ['redis://a:6379,redis://:hunter2@b:6379', 'it should have the same scheme, user and password for all nodes'],
  ['redis://a:6379/1,redis://b:6379/1', 'it should name no database'],
])('nodes of a Redis Cluster that do not go together are a wrong setting: %s', async (REDIS_URL, problem) => {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const { code, stdout, stderr } = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main], { env: { REDIS_URL } }, (error, stdout, stderr) =>
      resolve({ code: error?.code, stdout, stderr }),
    )
  })
  expect({ code, stdout, lines: stderr.trim().split('\n') }).toEqual({
    code: 78,
    stdout: '',
    lines: [expect.stringContaining(`settings: REDIS_URL is wrong: ${problem}`)],
  })
  expect(stderr).not.toContain('hunter2')
})

/** What docs/OPERATIONS.md has whoever owns the schema say of the role that the processes log in as. */
async function grantsOf(role: string): Promise<string> {
  const page = await readFile(new URL('../../../docs/OPERATIONS.md', import.meta.url), 'utf8')
  const [, grants] = /```sql\n(GRANT[^`]*)```/.exec(page) ?? []
  if (grants === undefined) throw new Error('no GRANT in OPERATIONS.md')
  return grants.replaceAll('parley_app', role)
}

it('a role of Postgres without rights on the schema itself', async () => {
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await createTestDatabase())
  const role = `role_${randomUUID().slice(0, 8)}`
  await database.sql.query(`create role ${role} login password 'secret'`)
  undo.defer(async () => void (await database.sql.query(`drop owned by ${role}; drop role ${role}`)))
  await database.sql.query(await grantsOf(role))
  const url = new URL(database.url)
  url.username = role
  url.password = 'secret'
  await everythingOnce({ services: { database: { url: url.href, sql: database.sql } } })
  const { rows } = await database.sql.query(
    'select count(*)::int as owned from pg_class where relowner = $1::regrole',
    [role],
  )
  expect(rows).toEqual([{ owned: 0 }])
})

// It makes a database cluster and a Redis Cluster of its own first.
it('TLS and passwords: Postgres, Redis Cluster, S3', async () => {
  await using secured = await securedServices()
  const trusted = process.env.NODE_EXTRA_CA_CERTS
  // The push service's file of certificates takes this one in.
  process.env.NODE_EXTRA_CA_CERTS = secured.caFile
  try {
    await everythingOnce({ services: secured, env: secured.env })
  } finally {
    if (trusted === undefined) delete process.env.NODE_EXTRA_CA_CERTS
    else process.env.NODE_EXTRA_CA_CERTS = trusted
  }
})
