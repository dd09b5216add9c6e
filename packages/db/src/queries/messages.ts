import type { MessageType, StoredAttachment, SystemEvent } from '@parley/protocol'
import type { Queryable } from '../pool.ts'

/** A stored message with its sender's current name and photo. */
export interface MessageRow {
  id: string
  conversation_id: string
  seq: number
  rev: number
  sender_id: string
  sender_name: string
  sender_photo: string | null
  /** The message's id if the client gave none. */
  client_message_id: string
  content: string
  type: MessageType
  attachments: StoredAttachment[] | null
  system: SystemEvent | null
  created_at: string
  updated_at: string | null
}

/** The columns of a {@link MessageRow}, from messages as m and their senders as u. */
export const messageColumns = `m.id, m.conversation_id, m.seq, m.rev, m.sender_id, u.full_name as sender_name,
  u.profile_photo as sender_photo, coalesce(m.client_message_id, m.id::text) as client_message_id, m.content, m.type, m.attachments,
  m.system, m.created_at, m.updated_at`

/** A message's primary key, which is also its position in key order. */
export interface MessageKey {
  conversationId: string
  seq: number
}

/** Compares two messages in key order. */
export function byKey(a: MessageKey, b: MessageKey): number {
  return a.conversationId === b.conversationId ? a.seq - b.seq : a.conversationId < b.conversationId ? -1 : 1
}

/**
 * Returns the messages with `fromSeq <= seq <= toSeq`, in order. It scans a range of the primary key, so the oldest page of a
 * million messages costs the same as the newest.
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

/** Returns the messages with these keys, in no particular order. */
export async function findMessages(db: Queryable, keys: readonly MessageKey[]): Promise<MessageRow[]> {
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

/** Returns the seq of the newest message stored before `before` (RFC 3339), or 0. */
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
