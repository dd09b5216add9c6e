import { listContacts, openDatabase } from '@parley/db'
import { createTestDatabase } from '@parley/testkit'
import { expect, it } from 'vitest'

it('finds the contacts of all users in one batch, even if one of them has very many', async () => {
  await using database = await createTestDatabase()
  // A help desk with 20,000 direct conversations; two of its contacts also know each other.
  await database.sql.query(`
    insert into users (id, full_name, name_key) select u, u, u from (
      select 'desk' as u union all select 'person ' || n from generate_series(1, 20000) n
    ) users;
    create temp table made as select gen_random_uuid() as id, 'desk' as a, 'person ' || n as b from generate_series(1, 20000) n
      union all values (gen_random_uuid(), 'person 1', 'person 2');
    insert into conversations (id, type, created_by, participant_count) select id, 'GROUP', a, 2 from made;
    insert into participants (conversation_id, user_id) select id, a from made union all select id, b from made`)
  const db = openDatabase({ url: database.url, max: 1, applicationName: 'contacts-test' })
  const rows = await listContacts(db.pool, ['desk', 'person 1', 'a stranger'], 100)
  const found = new Map(rows.map(({ user_id, contact_ids }) => [user_id, contact_ids.sort()]))
  expect(found.get('person 1')).toEqual(['desk', 'person 2'])
  expect(found.get('desk')?.length).toBe(5_000)
  expect(found.size).toBe(2)
  await db.close()
})
