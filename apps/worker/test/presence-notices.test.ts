import { openDatabase } from '@parley/db'
import { createTestDatabase } from '@parley/testkit'
import { expect, it, vi } from 'vitest'
import { type PresenceNoticesOptions, presenceNotices } from '../src/presence-notices.ts'

/** Notices about Ann, whose contact is Ben. */
function notices(change: Partial<PresenceNoticesOptions> = {}) {
  const toPeople = vi.fn()
  const options = {
    publisher: { toPeople },
    people: { get: async () => ({ fullName: 'Ann' }) },
    membership: { contactsOf: async () => ['ben'] },
    ...change,
  } as unknown as PresenceNoticesOptions
  return { toPeople, ...presenceNotices(options) }
}

it('tells contacts of somebody who came back while being reported offline', async () => {
  const { toPeople, onReturn } = notices()
  await onReturn('ann')
  expect(toPeople.mock.calls).toEqual([[['ben'], 'userOnline', { userId: 'ann', userName: 'Ann' }]])
})

it('stores when somebody was last seen, and tells their contacts', async () => {
  await using database = await createTestDatabase()
  await database.sql.query(`insert into users (id, full_name, name_key) values ('ann', 'Ann', 'ann')`)
  const db = openDatabase({ url: database.url, max: 1, applicationName: 'test' })
  try {
    const { toPeople, onOffline } = notices({ db })
    const went = new Date('2025-12-11T10:30:00.123Z')
    await onOffline('ann', went)
    const { rows } = await database.sql.query(`select last_seen_at from users where id = 'ann'`)
    expect(rows[0].last_seen_at).toEqual(went)
    const notice = { userId: 'ann', userName: 'Ann', lastSeen: '2025-12-11T10:30:00.123000Z' }
    expect(toPeople.mock.calls).toEqual([[['ben'], 'userOffline', notice]])
  } finally {
    await db.close()
  }
})
