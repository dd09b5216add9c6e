import type { ConversationType, ParticipantRole } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import { containing } from './users.ts'

/** A conversation as one of its members sees it. */
export interface ConversationRow {
  id: string
  type: ConversationType
  name: string | null
  created_by: string
  last_seq: number
  rev: number
  participant_count: number
  last_message_at: string
  created_at: string
  /** The member's own read mark. */
  last_read_seq: number
}

const COLUMNS = `c.id, c.type, c.name, c.created_by, c.last_seq, c.rev, c.participant_count, c.last_message_at,
  c.created_at, p.last_read_seq`

export interface NewConversation {
  id: string
  type: ConversationType
  name: string | null
  nameKey: string | null
  directKey: string | null
  createdBy: string
  clientConversationId: string | null
  /** All members, including the creator. */
  userIds: readonly string[]
}

/**
 * Creates a conversation and its participants in one statement, with an outbox row that lists message 0 of it.
 * @returns the conversation as its creator sees it; undefined, with nothing written, if it already exists: the DIRECT
 *   conversation of these two people, or the group with this client-generated id
 */
export async function insertConversation(
  db: Queryable,
  conversation: NewConversation,
  origin: string,
  batch: number,
): Promise<ConversationRow | undefined> {
  const { rows } = await db.query<ConversationRow>({
    name: 'insert_conversation',
    text: `
      with c as (
        insert into conversations
          (id, type, name, name_key, direct_key, created_by, participant_count, rev, client_conversation_id)
        values ($1, $2::conversation_type, $3, $4, $5, $6, cardinality($7::text[]), 1, $10)
        on conflict do nothing returning *
      ), told as (
        insert into outbox (origin, batch, conversation_ids, seqs) select $8, $9, array[id], array[0::bigint] from c
      ), p as (
        insert into participants (conversation_id, user_id, rev, role)
        select c.id, u.id, 1, (case when u.id = $6 and $2 = 'GROUP' then 'OWNER' else 'MEMBER' end)::participant_role
        from c, unnest($7::text[]) as u (id)
        returning user_id, last_read_seq
      )
      select ${COLUMNS} from c join p on p.user_id = $6`,
    values: [
      conversation.id,
      conversation.type,
      conversation.name,
      conversation.nameKey,
      conversation.directKey,
      conversation.createdBy,
      conversation.userIds,
      origin,
      batch,
      conversation.clientConversationId,
    ],
  })
  return rows[0]
}

/** Returns the id of the existing conversation that kept this one from being created. */
export async function findCreated(
  db: Queryable,
  {
    directKey,
    createdBy,
    clientConversationId,
  }: Pick<NewConversation, 'directKey' | 'createdBy' | 'clientConversationId'>,
): Promise<string | undefined> {
  const { rows } = await db.query<{ id: string }>({
    name: 'find_created',
    text: `select id from conversations
      where direct_key = $1 or (created_by = $2 and client_conversation_id = $3)`,
    values: [directKey, createdBy, clientConversationId],
  })
  return rows[0]?.id
}

/** Returns each of these conversations, in order; undefined if its `userId` is not a member. `offset 0`: see plans.test.ts. */
export async function findConversations(
  db: Queryable,
  wanted: readonly { conversationId: string; userId: string }[],
): Promise<(ConversationRow | undefined)[]> {
  const { rows } = await db.query<ConversationRow & { place: number }>({
    name: 'find_conversations',
    text: `
      select w.place, ${COLUMNS}
      from unnest($1::uuid[], $2::text[]) with ordinality as w (conversation_id, user_id, place)
      cross join lateral (select * from conversations where id = w.conversation_id offset 0) c
      join participants p on p.conversation_id = c.id and p.user_id = w.user_id and p.left_at is null`,
    values: [wanted.map((w) => w.conversationId), wanted.map((w) => w.userId)],
  })
  const found = new Map(rows.map(({ place, ...row }) => [place, row]))
  return wanted.map((_, index) => found.get(index + 1))
}

/** Returns a conversation as it is now, for a current or former member. */
export async function readConversation(
  db: Queryable,
  conversationId: string,
  userId: string,
): Promise<ConversationRow | undefined> {
  const { rows } = await db.query<ConversationRow>({
    text: `select ${COLUMNS} from conversations c join participants p on p.conversation_id = c.id
      where c.id = $1 and p.user_id = $2`,
    values: [conversationId, userId],
  })
  return rows[0]
}

/** What a change of a conversation's members or name depends on. */
export interface LockedConversation {
  type: ConversationType
  name: string | null
  participant_count: number
  /** The actor's role. */
  role: ParticipantRole
}

/**
 * Locks a conversation until the transaction ends, for a change of its members or name. Locks are taken in the same order
 * everywhere: conversations by id, then their rows.
 * @returns undefined if `actorId` is not a member
 */
export async function lockConversation(
  tx: Queryable,
  conversationId: string,
  actorId: string,
): Promise<LockedConversation | undefined> {
  await tx.query({ text: 'select 1 from conversations where id = $1 for no key update', values: [conversationId] })
  // A separate statement, so that it sees what was committed before the lock was granted.
  const { rows } = await tx.query<LockedConversation>({
    text: `
      select c.type, c.name, c.participant_count, p.role
      from conversations c join participants p on p.conversation_id = c.id
      where c.id = $1 and p.user_id = $2 and p.left_at is null`,
    values: [conversationId, actorId],
  })
  return rows[0]
}

/** Returns a conversation's current name and counters; undefined if it does not exist. */
export async function readCounters(
  db: Queryable,
  conversationId: string,
): Promise<{ name: string | null; last_seq: number; participant_count: number } | undefined> {
  const { rows } = await db.query({
    text: 'select name, last_seq, participant_count from conversations where id = $1',
    values: [conversationId],
  })
  return rows[0]
}

/** Returns a page of a person's conversations, most recent activity first, and their total number. */
export async function listConversations(
  db: Queryable,
  userId: string,
  nameKey: string | null,
  limit: number,
  offset: number,
): Promise<{ rows: ConversationRow[]; total: number }> {
  const { rows } = await db.query<ConversationRow & { total: number }>({
    name: nameKey === null ? 'list_conversations' : 'search_conversations',
    text: `
      select ${COLUMNS}, count(*) over () as total
      from participants p join conversations c on c.id = p.conversation_id
      where p.user_id = $1 and p.left_at is null
      ${nameKey === null ? '' : MATCHES_NAME}
      order by c.last_message_at desc, c.id desc limit $2 offset $3`,
    values: nameKey === null ? [userId, limit, offset] : [userId, limit, offset, containing(nameKey)],
  })
  return { rows, total: rows[0]?.total ?? (offset === 0 ? 0 : await countConversations(db, userId, nameKey)) }
}

/** `offset 0`: see plans.test.ts. The outer one keeps Postgres from scanning everybody's names once instead. */
const MATCHES_NAME = `
  and (c.name_key like $4 or exists (
    select from participants o
    cross join lateral (select name_key from users where id = o.user_id offset 0) u
    where o.conversation_id = c.id and o.left_at is null and o.user_id <> $1 and u.name_key like $4
    offset 0))`

async function countConversations(db: Queryable, userId: string, nameKey: string | null): Promise<number> {
  return (await listConversations(db, userId, nameKey, 1, 0)).total
}

/** Sets the name; the caller holds the lock. */
export async function renameConversation(
  tx: Queryable,
  conversationId: string,
  name: string | null,
  nameKey: string | null,
): Promise<void> {
  await tx.query({
    text: 'update conversations set name = $2, name_key = $3, rev = rev + 1 where id = $1',
    values: [conversationId, name, nameKey],
  })
}
