import type { MessageType, StoredAttachment, SystemEvent } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import { appendFresh } from './append-fresh.ts'

/** A message to be stored; ids are lower-case UUIDs. */
export interface NewMessage {
  id: string
  conversationId: string
  senderId: string
  /** The client-generated id; null if the client gave none. */
  clientMessageId: string | null
  content: string
  type: MessageType
  attachments: StoredAttachment[]
  system: SystemEvent | null
}

export interface AppendedRow {
  /** Position in the batch, from 1. */
  ord: number
  /**
   * False if the message had already been stored, as found by (conversation, sender, clientMessageId), or by its id if the
   * client gave none; `id` and `seq` are then those of the stored message.
   */
  fresh: boolean
  id: string
  seq: number
  rev: number
  created_at: string
}

/**
 * Stores a batch in one commit and nearly always in one round trip. If `db` is a pool, the batch is its own transaction;
 * within a caller's transaction, only SYSTEM messages are allowed. No row is returned for a message whose sender is not a
 * member, or whose attachments are unavailable to it.
 *
 * Batches go to append_fresh(). It refuses a batch with any message that is a duplicate or must not be stored; the batch then
 * goes to append_messages(), which handles each message separately. SYSTEM messages go there directly: a refusal would abort
 * the transaction that they are part of.
 * @param origin the storing process, for the outbox
 * @param batchNumber that process's sequence number for batches
 * @param traces trace contexts by message id, kept with the batch in the outbox
 */
export async function appendMessages(
  db: Queryable,
  batch: readonly NewMessage[],
  origin: string,
  batchNumber: number,
  traces?: Readonly<Record<string, string>>,
): Promise<AppendedRow[]> {
  if (batch.every(isPlain)) {
    const rows = await appendFresh(db, batch, origin, batchNumber, traces)
    if (rows !== undefined) return rows
  }
  return appendEach(db, batch, origin, batchNumber, traces)
}

function isPlain({ system }: NewMessage): boolean {
  return system === null
}

async function appendEach(
  db: Queryable,
  batch: readonly NewMessage[],
  origin: string,
  batchNumber: number,
  traces: Readonly<Record<string, string>> | undefined,
): Promise<AppendedRow[]> {
  const column = <T>(pick: (message: NewMessage) => T): T[] => batch.map(pick)
  const { rows } = await db.query<AppendedRow>({
    ...(traces === undefined ? APPEND : APPEND_TRACED),
    values: [
      column((m) => m.conversationId),
      column((m) => m.senderId),
      column((m) => m.clientMessageId),
      column((m) => m.id),
      column((m) => m.content),
      column((m) => m.type),
      column((m) => (m.attachments.length === 0 ? null : JSON.stringify(m.attachments))),
      column((m) => (m.system === null ? null : JSON.stringify(m.system))),
      origin,
      batchNumber,
      ...(traces === undefined ? [] : [JSON.stringify(traces)]),
    ],
  })
  return rows.sort((a, b) => a.ord - b.ord)
}

const APPEND = {
  name: 'append_messages',
  text: 'select * from append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
}

/**
 * A setting local to the transaction carries the traces to the default value of outbox.traces, so that untraced batches pay
 * nothing. It is set within an argument because arguments are evaluated before the function runs.
 */
const APPEND_TRACED = {
  name: 'append_messages_traced',
  text: `select * from append_messages($1, $2, $3, $4, $5, $6, $7, $8,
    case when set_config('parley.traces', $11, true) is not null then $9 end, $10)`,
}
