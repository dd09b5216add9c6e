import { intArray, textArray, uuidArray } from '../binary-arrays.ts'
import { instantOfMicros } from '../instant.ts'
import { type Queryable, sqlState } from '../pool.ts'
import type { AppendedRow, NewMessage } from './append.ts'

/** SQLSTATEs that append_fresh() raises if a message is a duplicate, its sender no member, or its attachments unavailable. */
const REFUSALS = new Set(['PY001', '23505'])

/**
 * Stores a batch of the usual kind, all new messages from members, at half the cost of append_messages().
 * @returns a row for each message, in the order of the batch; undefined for any other batch, in which case nothing was stored
 *   and the transaction of `db`, if it is in one, is aborted
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
    if (REFUSALS.has(sqlState(error) ?? '')) return undefined
    throw error
  }
}

/** A batch as columns, grouped by conversation, so that rows adjacent in the table's indexes are inserted together. */
interface Layout {
  /** The conversations in the order of their ids, in which they are locked, and the number of messages for each. */
  ids: string[]
  counts: number[]
  /** The last message of each sender in each conversation: the conversation's position (from 1), the sender, the rank. */
  markPlaces: number[]
  markUsers: string[]
  markRanks: number[]
  /** For each message: its conversation's position (from 1), its rank there (from 1), its index in the batch (from 0). */
  places: number[]
  ranks: number[]
  indexes: number[]
}

/**
 * The functions here use loops instead of closures: V8 discards the optimized code of a closure created for each batch at every
 * major collection, since none is alive then (docs/PERFORMANCE.md, "Closures that live for a batch").
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
  // Lower-case UUIDs sort the same as text and as bytes.
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

/** Encodes a text[] that mostly holds only nulls; in that case it is null itself. */
function rareTextArray(values: readonly (string | null)[]): Buffer | null {
  for (const value of values) if (value !== null) return textArray(values)
  return null
}

/** @param bases the seqs of all conversations, then their revs, then their microseconds; a message's rank is added to each */
function rowsOf(
  { ids, places, ranks, indexes }: Layout,
  batch: readonly NewMessage[],
  bases: readonly number[],
): AppendedRow[] {
  const { length } = ids
  if (bases.length !== 3 * length)
    throw new Error(`append_fresh returned ${bases.length} numbers for ${length} conversations`)
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
 * Returns the same number in V8's integer representation. Small numbers read from an array that also holds microseconds may be
 * doubles or not, and presentNewMessage(), which saw both, was optimized and deoptimized ten times a second.
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

/** Passes the traces as in append.ts. */
const FRESH_TRACED = {
  name: 'append_fresh_traced',
  text: `select append_fresh(${PARAMETERS},
    case when set_config('parley.traces', $16::text, true) is not null then $14::text end, $15::bigint) as bases`,
}
