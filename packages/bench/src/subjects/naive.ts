import { createDatabase } from './database.ts'
import { startPeer } from './peer.ts'
import { type Subject, uuidOf } from './subject.ts'

/** The specification implemented naively: a transaction for each message, an unread counter for each member. */
export const naive: Subject = {
  name: 'naive',
  async start(services, shape) {
    const database = await createDatabase(services.postgresUrl)
    const { sql } = database
    await sql.query(`
      create table conversation (id uuid primary key, updated_at timestamptz not null default now());
      create table participant (conversation_id uuid not null, user_id text not null, unread_count int not null default 0,
        last_read_at timestamptz, unique (conversation_id, user_id));
      create table message (id uuid primary key, conversation_id uuid not null references conversation (id),
        sender_id text not null, content text not null, type text not null, read_by text[] not null default '{}',
        created_at timestamptz not null default now());
      create index on message (conversation_id, created_at)`)
    const rooms = Array.from({ length: Math.ceil(shape.users / shape.roomSize) }, (_, room) => uuidOf(room))
    await sql.query('insert into conversation (id) select id::uuid from unnest($1::text[]) as r (id)', [rooms])
    await sql.query(
      `insert into participant (conversation_id, user_id)
       select ($1::text[])[1 + i / $2]::uuid, 'user-' || i from generate_series(0, $3 - 1) i`,
      [rooms, shape.roomSize, shape.users],
    )
    const entry = new URL('./naive-server.ts', import.meta.url)
    const peer = await startPeer(entry, services, shape, { DATABASE_URL: database.url })
    return {
      ...peer,
      stored: async () => Number((await sql.query('select count(*) from message')).rows[0].count),
      async stop() {
        await peer.stop()
        await database.drop()
      },
    }
  },
}
