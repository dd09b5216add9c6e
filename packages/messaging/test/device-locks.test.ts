import { randomUUID } from 'node:crypto'
import { deletePushDevice, noteOwed, recordShown, revokeTokens, savePushSubscription, transaction } from '@parley/db'
import { beforeAll, expect, it } from 'vitest'
import { fileDatabase } from './file-database.ts'

/*
 * Statements that change devices and what they show lock the devices first, in id order, and then what they show. Each test
 * blocks one of two statements until the other waits for it.
 */

const { database, db } = await fileDatabase(6)
beforeAll(async () => {
  await db.pool.query(`insert into users (id, full_name, name_key) select u, u, u from unnest('{sara,omar}'::text[]) u`)
})

const FOR_EVER = '2999-01-01T00:00:00Z'
const conversationId = randomUUID()

/** Devices of a user, inserted in descending id order, so that only sorting yields id order. */
async function devices(userId: string, count: number) {
  const ids = Array.from({ length: count }, () => randomUUID()).sort()
  for (const id of ids.toReversed()) {
    await db.pool.query(
      `insert into push_subscriptions (id, user_id, endpoint, p256dh, auth) values ($1, $2, $3, 'key', 'secret')`,
      [id, userId, endpointOf(id)],
    )
  }
  return ids
}

const endpointOf = (id: string) => `https://push.example.com/${id}`
const shown = (subscriptionId: string, userId = 'sara') => {
  return { conversationId, userId, subscriptionId, fromSeq: 1, seq: 1, digest: false }
}
const save = (userId: string, endpoint: string, most = 20, issuedAt: Date | null = null) =>
  savePushSubscription(db.pool, { id: randomUUID(), userId, endpoint, p256dh: 'key', auth: 'secret', issuedAt }, most)
const shownOn = async (ids: readonly string[]) => {
  const { rows } = await database.sql.query(
    'select subscription_id from push_shown where subscription_id = any ($1::uuid[]) order by 1',
    [ids],
  )
  return rows.map((row) => row.subscription_id)
}

/** Number of our statements that wait for a lock. */
async function waiting(): Promise<number | null> {
  const { rowCount } = await database.sql.query(
    `select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'messaging-test'
       and datname = current_database()`,
  )
  return rowCount
}

/** Starts `works` in order, each once the previous one waits for a lock; the first waits for the locks of `sql`. */
async function crossing(sql: string, values: unknown[], works: readonly (() => Promise<unknown>)[]): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  await transaction(db, async (tx) => {
    await tx.query(sql, values)
    const begun: Promise<unknown>[] = []
    for (const work of works) {
      begun.push(work())
      await expect.poll(waiting).toBe(begun.length)
    }
    resolve(Promise.all(begun))
  })
  return promise
}

it.each([
  ['its removal', (id: string) => deletePushDevice(db.pool, id)],
  ['the revocation of tokens', () => revokeTokens(db.pool, 'sara', FOR_EVER)],
  ['its registration by another user', (id: string) => save('omar', endpointOf(id))],
] as const)('what a device shows is recorded before %s, which waits for it', async (_, change) => {
  const [id = ''] = await devices('sara', 1)
  await recordShown(db.pool, [shown(id)])
  // Recording also has to note that the device was reached.
  await db.pool.query('update push_subscriptions set last_ok_at = null where id = $1', [id])
  await crossing(
    'select from push_shown where subscription_id = $1 for update',
    [id],
    [() => recordShown(db.pool, [shown(id)]), () => change(id)],
  )
  expect(await shownOn([id])).toEqual([])
})

it.each([
  [
    'recorded',
    (gone: string, other: string) =>
      recordShown(
        db.pool,
        [gone, other].map((id) => shown(id)),
      ),
  ],
  ['owed', (gone: string) => noteOwed(db.pool, { conversationId, userId: 'sara', afterSeq: 1 }, gone)],
])('what a device shows is not %s if the device is deleted meanwhile; that of others is', async (what, note) => {
  const [gone = '', other = ''] = await devices('sara', 2)
  await crossing('delete from push_subscriptions where id = $1', [gone], [() => note(gone, other)])
  expect(await shownOn([gone, other])).toEqual(what === 'recorded' ? [other] : [])
})

it('what a device shows is not recorded if another user has taken it over meanwhile', async () => {
  const [id = ''] = await devices('sara', 1)
  await crossing(
    `update push_subscriptions set user_id = 'omar' where id = $1`,
    [id],
    [() => recordShown(db.pool, [shown(id)])],
  )
  expect(await shownOn([id])).toEqual([])
})

it.each([
  ['is read', 'update participants set last_read_seq = 1 where conversation_id = $1 and user_id = $2', 1],
  ['is left', 'update participants set left_at = now() where conversation_id = $1 and user_id = $2', 1],
  ['changes otherwise', 'update participants set muted_until = now() where conversation_id = $1 and user_id = $2', 0],
])(
  'what a device shows of a conversation that %s meanwhile is queued for closing accordingly',
  async (_, change, closings) => {
    const id = randomUUID()
    await db.pool.query(
      `insert into conversations (id, type, created_by, participant_count, last_seq) values ($1, 'GROUP', 'sara', 1, 1)`,
      [id],
    )
    await db.pool.query(`insert into participants (conversation_id, user_id) values ($1, 'sara')`, [id])
    const [device = ''] = await devices('sara', 1)
    const record = () => recordShown(db.pool, [{ ...shown(device), conversationId: id }])
    await crossing(change, [id, 'sara'], [record])
    const { rowCount } = await db.pool.query('select from push_closings where conversation_id = $1', [id])
    expect([await shownOn([device]), rowCount]).toEqual([[device], closings])
  },
)

it('a device is not registered with a token that is revoked meanwhile, but with a newer one', async () => {
  const registered = await crossing(
    `update users set tokens_valid_from = '2026-01-01T00:00:00.0005Z' where id = 'omar'`,
    [],
    [() => save('omar', endpointOf('late'), 20, new Date('2025-12-31T23:59:59Z'))],
  )
  expect(registered).toEqual([undefined])
  const newer = await save('omar', endpointOf('late'), 20, new Date('2026-01-01T00:00:00Z'))
  expect(newer).toMatchObject({ user_id: 'omar' })
})

it.each([
  [
    'recording',
    (ids: string[]) =>
      recordShown(
        db.pool,
        ids.toReversed().map((id) => shown(id)),
      ),
  ],
  ['the revocation of tokens', () => revokeTokens(db.pool, 'sara', FOR_EVER)],
  ['a registration above the limit', () => save('sara', endpointOf('new'), 1)],
])('%s locks devices in id order', async (_, work) => {
  await db.pool.query('delete from push_subscriptions')
  const ids = await devices('sara', 12)
  const { promise, resolve } = Promise.withResolvers<unknown>()
  await transaction(db, async (tx) => {
    await tx.query('select from push_subscriptions where id = $1 for update', [ids[5]])
    resolve(work(ids))
    await expect.poll(waiting).toBe(1)
    const { rows } = await database.sql.query(
      'select id from push_subscriptions where id = any ($1::uuid[]) order by id for update skip locked',
      [ids],
    )
    expect(rows.map(({ id }) => id)).toEqual(ids.slice(6))
  })
  await promise
})
