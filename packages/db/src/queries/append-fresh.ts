import { intArray, textArray, uuidArray } from '../binary-arrays.ts'
import { instantOfMicros } from '../instant.ts'
import { type Queryable, sqlState } from '../pool.ts'
import type { AppendedRow, NewMessage } from './append.ts'

/** What append_fresh() raises where a message is not new, not its sender's to send, or cannot have its attachments. */
const NOT_PLAIN = new Set(['PY001', '23505'])

/**
 * Stores a batch that is what batches nearly always are, messages that are all new from members, at half the cost of
 * append_messages(). One row comes back for each message, in the order of the batch.
 * @returns undefined where the batch is not such; then nothing was stored, and the transaction of `db`, if it is in one, is broken
 */
export async function appendFresh(
  db: Queryable,
  batch: readonly NewMessage[],
  origin: string,
  batchNumber: number,
  traces: Readonly<Record<string, string>> | undefined,
): Promise<AppendedRow[] | undefined> {
  const layout = layOut(batch)
  const values = [...parametersOf(layout), origin, batchNumber]
  try {
    const { rows } = await db.query<{ bases: number[] }>(
      traces === undefined ? { ...FRESH, values } : { ...FRESH_TRACED, values: [...values, JSON.stringify(traces)] },
    )
    return rowsOf(layout, rows[0]?.bases ?? [])
  } catch (error) {
    if (NOT_PLAIN.has(sqlState(error) ?? '')) return undefined
    throw error
  }
}

/** A message with its place in the batch and in its conversation. */
interface Placed {
  message: NewMessage
  /** Position in the batch, from 1. */
  ord: number
  /** Which of the conversations, from 1. */
  place: number
  /** Which of its conversation's messages, from 1. */
  rank: number
}

interface Mark {
  place: number
  userId: string
  rank: number
}

interface Layout {
  /** In the order of their ids, which is that of the locks. */
  conversations: { id: string; count: number }[]
  /** By conversation: neighbours in the table's indexes are inserted one after the other. */
  messages: Placed[]
  /** Of each sender in each conversation the last message. */
  marks: Mark[]
}

function layOut(batch: readonly NewMessage[]): Layout {
  const groups = new Map<string, Placed[]>()
  batch.forEach((message, index) => {
    const placed = { message, ord: index + 1, place: 0, rank: 1 }
    const group = groups.get(message.conversationId)
    if (group === undefined) groups.set(message.conversationId, [placed])
    else placed.rank = group.push(placed)
  })
  const layout: Layout = { conversations: [], messages: [], marks: [] }
  // Lower-case UUIDs sort as text as they do as bytes.
  for (const id of [...groups.keys()].sort()) {
    const group = groups.get(id) ?? []
    const place = layout.conversations.push({ id, count: group.length })
    const last = new Map<string, number>()
    for (const placed of group) {
      placed.place = place
      layout.messages.push(placed)
      last.set(placed.message.senderId, placed.rank)
    }
    for (const [userId, rank] of last) layout.marks.push({ place, userId, rank })
  }
  return layout
}

function parametersOf({ conversations, messages, marks }: Layout): (Buffer | null)[] {
  return [
    uuidArray(conversations.map(({ id }) => id)),
    intArray(conversations.map(({ count }) => count)),
    intArray(marks.map(({ place }) => place)),
    textArray(marks.map(({ userId }) => userId)),
    intArray(marks.map(({ rank }) => rank)),
    intArray(messages.map(({ place }) => place)),
    intArray(messages.map(({ rank }) => rank)),
    uuidArray(messages.map(({ message }) => message.id)),
    textArray(messages.map(({ message }) => message.senderId)),
    textArray(messages.map(({ message }) => message.content)),
    rareTextArray(messages.map(({ message }) => message.clientMessageId)),
    rareTextArray(messages.map(({ message: { type } }) => (type === 'TEXT' ? null : type))),
    rareTextArray(
      messages.map(({ message: { attachments } }) => (attachments.length === 0 ? null : JSON.stringify(attachments))),
    ),
  ]
}

/** Null where there is nothing in it. */
function rareTextArray(values: readonly (string | null)[]): Buffer | null {
  return values.every((value) => value === null) ? null : textArray(values)
}

/** @param bases of all conversations the seqs, then the revs, then the microseconds, to which ranks are added */
function rowsOf({ conversations, messages }: Layout, bases: readonly number[]): AppendedRow[] {
  const { length } = conversations
  if (bases.length !== 3 * length) throw new Error(`append_fresh answered ${bases.length} for ${length} conversations`)
  const rows = messages.map(({ message: { id }, ord, place, rank }): AppendedRow => {
    const of = (nth: number) => (bases[nth * length + place - 1] ?? Number.NaN) + rank
    return { ord, fresh: true, id, seq: of(0), rev: of(1), created_at: instantOfMicros(of(2)) }
  })
  return rows.sort((a, b) => a.ord - b.ord)
}

const PARAMETERS = `$1::uuid[], $2::int[], $3::int[], $4::text[], $5::int[], $6::int[], $7::int[], $8::uuid[], $9::text[],
  $10::text[], $11::text[], $12::text[], $13::text[]`

const FRESH = {
  name: 'append_fresh',
  text: `select append_fresh(${PARAMETERS}, $14::text, $15::bigint) as bases`,
}

/** Traces go as in append.ts. */
const FRESH_TRACED = {
  name: 'append_fresh_traced',
  text: `select append_fresh(${PARAMETERS},
    case when set_config('parley.traces', $16::text, true) is not null then $14::text end, $15::bigint) as bases`,
}
