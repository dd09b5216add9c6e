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
  const values = [...parametersOf(layout, batch), origin, batchNumber]
  try {
    const { rows } = await db.query<{ bases: number[] }>(
      traces === undefined ? { ...FRESH, values } : { ...FRESH_TRACED, values: [...values, JSON.stringify(traces)] },
    )
    return rowsOf(layout, batch, rows[0]?.bases ?? [])
  } catch (error) {
    if (NOT_PLAIN.has(sqlState(error) ?? '')) return undefined
    throw error
  }
}

/** A batch as columns, by conversation: neighbours in the table's indexes are inserted one after the other. */
interface Layout {
  /** The conversations in the order of their ids, which is that of the locks, and how many messages each gets. */
  ids: string[]
  counts: number[]
  /** Of each sender in each conversation the last message: which of the conversations, from 1, who, and its rank. */
  markPlaces: number[]
  markUsers: string[]
  markRanks: number[]
  /** The messages: which of the conversations, from 1; which of that one's messages, from 1; position in the batch, from 0. */
  places: number[]
  ranks: number[]
  indexes: number[]
}

/**
 * Here and below loops do what closures would do more briefly: of a closure that is made for each batch V8 throws the optimized
 * code away at each major collection, as none of them lives then (docs/PERFORMANCE.md, "Closures that live for a batch").
 */
function layOut(batch: readonly NewMessage[]): Layout {
  const groups = new Map<string, number[]>()
  for (let index = 0; index < batch.length; index++) {
    const id = batch[index]?.conversationId ?? ''
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [index])
    else group.push(index)
  }
  const layout: Layout = {
    ids: [],
    counts: [],
    markPlaces: [],
    markUsers: [],
    markRanks: [],
    places: [],
    ranks: [],
    indexes: [],
  }
  // Lower-case UUIDs sort as text as they do as bytes.
  for (const id of [...groups.keys()].sort()) {
    const group = groups.get(id) ?? []
    const place = layout.ids.push(id)
    layout.counts.push(group.length)
    const last = new Map<string, number>()
    let rank = 0
    for (const index of group) {
      layout.places.push(place)
      layout.ranks.push(++rank)
      layout.indexes.push(index)
      last.set(batch[index]?.senderId ?? '', rank)
    }
    for (const [userId, highest] of last) {
      layout.markPlaces.push(place)
      layout.markUsers.push(userId)
      layout.markRanks.push(highest)
    }
  }
  return layout
}

function parametersOf(layout: Layout, batch: readonly NewMessage[]): (Buffer | null)[] {
  const messageIds: string[] = []
  const senders: string[] = []
  const contents: string[] = []
  const clientIds: (string | null)[] = []
  const types: (string | null)[] = []
  const claims: (string | null)[] = []
  for (const index of layout.indexes) {
    const message = batch[index]
    if (message === undefined) continue
    messageIds.push(message.id)
    senders.push(message.senderId)
    contents.push(message.content)
    clientIds.push(message.clientMessageId)
    types.push(message.type === 'TEXT' ? null : message.type)
    claims.push(message.attachments.length === 0 ? null : JSON.stringify(message.attachments))
  }
  return [
    uuidArray(layout.ids),
    intArray(layout.counts),
    intArray(layout.markPlaces),
    textArray(layout.markUsers),
    intArray(layout.markRanks),
    intArray(layout.places),
    intArray(layout.ranks),
    uuidArray(messageIds),
    textArray(senders),
    textArray(contents),
    rareTextArray(clientIds),
    rareTextArray(types),
    rareTextArray(claims),
  ]
}

/** Null where there is nothing in it. */
function rareTextArray(values: readonly (string | null)[]): Buffer | null {
  for (const value of values) if (value !== null) return textArray(values)
  return null
}

/** @param bases of all conversations the seqs, then the revs, then the microseconds, to which ranks are added */
function rowsOf(
  { ids, places, ranks, indexes }: Layout,
  batch: readonly NewMessage[],
  bases: readonly number[],
): AppendedRow[] {
  const { length } = ids
  if (bases.length !== 3 * length) throw new Error(`append_fresh answered ${bases.length} for ${length} conversations`)
  const rows: AppendedRow[] = new Array(batch.length)
  for (let i = 0; i < indexes.length; i++) {
    const [place, rank, index] = [places[i] ?? 0, ranks[i] ?? 0, indexes[i] ?? 0]
    const at = place - 1
    const seq = asInteger(bases[at]) + rank
    const rev = asInteger(bases[length + at]) + rank
    const created_at = instantOfMicros((bases[2 * length + at] ?? Number.NaN) + rank)
    rows[index] = { ord: index + 1, fresh: true, id: batch[index]?.id ?? '', seq, rev, created_at }
  }
  return rows
}

/**
 * The same number. What comes out of an array with microseconds in it is a double to V8, however small, and sometimes it is not:
 * presentNewMessage(), which met both, was optimized and thrown away ten times a second.
 */
function asInteger(value = Number.NaN): number {
  const integer = value | 0
  return integer === value ? integer : value
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
