import type pg from 'pg'
import { roomsOf, type Shape, uuidOf } from '../subjects/subject.ts'

/** Conversations filled per statement. */
const STEP = 100

/** Fills every conversation of a seeded database with `each` messages, in SQL, as storing them is not measured here. */
export async function fillConversations(sql: pg.Pool, shape: Shape, each: number): Promise<void> {
  const rooms = Array.from({ length: shape.users }, (_, user) => roomsOf(user, shape)).flat()
  const ids = [...new Set(rooms)].map(uuidOf)
  for (let from = 0; from < ids.length; from += STEP) {
    await sql.query(
      `insert into messages (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, created_at)
       select c.id, s, m.id, s + 1, m.sender, m.id::text, 'Message ' || s || ' of a conversation ' || repeat('x', 60), 'TEXT',
         now() - interval '30 days' + s * interval '1 minute'
       from unnest($1::uuid[]) as c (id)
       cross join lateral (
         select array_agg(user_id order by user_id) as members from participants where conversation_id = c.id
       ) p
       cross join generate_series(1, $2::int) s
       cross join lateral (
         select gen_random_uuid() as id, p.members[1 + s % cardinality(p.members)] as sender
       ) m`,
      [ids.slice(from, from + STEP), each],
    )
  }
  await sql.query(
    `update conversations set last_seq = $1::bigint, rev = $1::bigint + 1,
       last_message_at = now() - interval '1 day' + ('x' || right(id::text, 4))::bit(16)::int * interval '1 second'`,
    [each],
  )
  // Everybody is some messages behind.
  await sql.query(
    `update participants set last_read_seq = greatest(0, $1::bigint - length(user_id) * 3), rev = $1::bigint + 1`,
    [each],
  )
  await sql.query('vacuum analyze')
}
