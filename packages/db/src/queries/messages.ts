import type { MessageType, StoredAttachment, SystemEvent } from '@parley/protocol'
import type { Queryable } from '../pool.ts'

/** A stored message with its sender as they are called now. */
export interface MessageRow {
  id: string
  conversation_id: string
  seq: number
  rev: number
  sender_id: string
  sender_name: string
  sender_photo: string | null
  /** The message's id where the client gave none. */
  client_message_id: string
  content: string
  type: MessageType
  attachments: StoredAttachment[] | null
  system: SystemEvent | null
  created_at: string
  updated_at: string | null
}

/** What a {@link MessageRow} is made of: messages as m, their senders as u. */
export const messageColumns = `m.id, m.conversation_id, m.seq, m.rev, m.sender_id, u.full_name as sender_name,
  u.profile_photo as sender_photo, coalesce(m.client_message_id, m.id::text) as client_message_id, m.content, m.type, m.attachments,
  m.system, m.created_at, m.updated_at`

/**
 * Messages with `fromSeq <= seq <= toSeq`, in order. A range of the primary key: the far end of a million messages
 * costs what the newest page does.
 */
export async function listMessages(
  db: Queryable,
  conversationId: string,
  fromSeq: number,
  toSeq: number,
): Promise<MessageRow[]> {
  const { rows } = await db.query<MessageRow>({
    name: 'list_messages',
    text: `
      select ${messageColumns} from messages m join users u on u.id = m.sender_id
      where m.conversation_id = $1 and m.seq between $2 and $3 and m.deleted_at is null order by m.seq`,
    values: [conversationId, fromSeq, toSeq],
  })
  return rows
}

/** Messages named by (conversation, seq), in no order. */
export async function findMessages(
  db: Queryable,
  keys: readonly { conversationId: string; seq: number }[],
): Promise<MessageRow[]> {
  const { rows } = await db.query<MessageRow>({
    name: 'find_messages',
    text: `
      select ${messageColumns} from unnest($1::uuid[], $2::bigint[]) as k (conversation_id, seq)
      join messages m on m.conversation_id = k.conversation_id and m.seq = k.seq and m.deleted_at is null
      join users u on u.id = m.sender_id`,
    values: [keys.map((k) => k.conversationId), keys.map((k) => k.seq)],
  })
  return rows
}

/** Seq of the newest message stored before `before` (RFC 3339); 0 if there is none. */
export async function seqBefore(
  db: Queryable,
  conversationId: string,
  before: string,
  lastSeq: number,
): Promise<number> {
  const { rows } = await db.query<{ seq: number }>({
    name: 'seq_before',
    text: 'select seq_before($1, $2::timestamptz, $3) as seq',
    values: [conversationId, before, lastSeq],
  })
  return rows[0]?.seq ?? 0
}

export interface ReadMarkRow {
  conversation_id: string
  user_id: string
  joined_seq: number
  last_read_seq: number
}

/**
 * Marks of the members of each conversation who have read up to `fromSeq` or further, in the order they joined. Of a
 * conversation that is named more than once the lowest counts. `offset 0`: see plans.test.ts.
 */
export async function listReadMarks(
  db: Queryable,
  ranges: readonly { conversationId: string; fromSeq: number }[],
): Promise<ReadMarkRow[]> {
  const lowest = new Map<string, number>()
  for (const { conversationId, fromSeq } of ranges) {
    lowest.set(conversationId, Math.min(fromSeq, lowest.get(conversationId) ?? fromSeq))
  }
  const { rows } = await db.query<ReadMarkRow>({
    name: 'list_read_marks',
    text: `
      select p.conversation_id, p.user_id, p.joined_seq, p.last_read_seq
      from unnest($1::uuid[], $2::bigint[]) as r (conversation_id, from_seq)
      cross join lateral (
        select * from participants where conversation_id = r.conversation_id and left_at is null and last_read_seq >= r.from_seq
        offset 0
      ) p
      order by p.joined_at, p.user_id`,
    values: [[...lowest.keys()], [...lowest.values()]],
  })
  return rows
}
