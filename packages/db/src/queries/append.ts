import type { MessageType, StoredAttachment, SystemEvent } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import { appendFresh } from './append-fresh.ts'

/** A message as it is handed to the database; ids are lower-case UUIDs. */
export interface NewMessage {
  id: string
  conversationId: string
  senderId: string
  /** The client's own id; null where it gave none. */
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
   * False when the message had been stored before, by its (conversation, sender, clientMessageId), or by its id where the
   * client gave none: `id` and `seq` are that one's.
   */
  fresh: boolean
  id: string
  seq: number
  rev: number
  created_at: string
}

/**
 * Stores a batch in one commit and nearly always in one round trip. Where `db` is a pool, it is a transaction of its own.
 * In a transaction of the caller's there may be SYSTEM messages only. No row comes back for a message whose sender is not a
 * member, or which names attachments that it cannot have.
 *
 * Batches go to append_fresh(), which refuses those with a message that is stored already or not to be stored; they go to
 * append_messages(), which settles each message by itself. SYSTEM messages go there at once: a refusal would end the
 * transaction that they are part of.
 * @param origin the storing process, for the outbox
 * @param batchNumber that process's running number of batches
 * @param traces of messages by their ids, kept with the batch in the outbox
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
 * The traces go by a setting of this transaction to the default of outbox.traces, so that nobody pays for them who has none.
 * Set in an argument: arguments are evaluated before the function runs.
 */
const APPEND_TRACED = {
  name: 'append_messages_traced',
  text: `select * from append_messages($1, $2, $3, $4, $5, $6, $7, $8,
    case when set_config('parley.traces', $11, true) is not null then $9 end, $10)`,
}
