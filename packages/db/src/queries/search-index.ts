import type { MessageType } from '@parley/protocol'
import { int8Array, intArray, uuidArray } from '../binary-arrays.ts'
import { FIRST_ID, LAST_ID } from '../id-range.ts'
import type { Queryable } from '../pool.ts'
import { searchPlace, tsvectorArray } from '../term-vectors.ts'
import { byKey, type MessageKey } from './messages.ts'

/**
 * The number of messages of a conversation whose terms share a prefix. A lookup costs as much as there are matches with one
 * prefix, which bounds the cost of a word in every message for each conversation searched.
 */
export const SEARCH_SLICE = 512

/** Returns the number of the slice that contains a message. */
export function searchSlice(seq: number): number {
  return Math.floor(seq / SEARCH_SLICE)
}

/** Returns the key just before the slice that contains the message after `key`. */
export function startOfSlice({ conversationId, seq }: MessageKey): MessageKey {
  return { conversationId, seq: searchSlice(seq + 1) * SEARCH_SLICE - 1 }
}

export interface MessageTerms {
  conversationId: string
  seq: number
  /** The positions of each term, in ascending order. */
  terms: ReadonlyMap<string, readonly number[]>
}

/** The most messages in a run: a match in the run is checked in each of them, and a row of this size fits a page. */
const RUN_MAX = 32
/** The most characters of terms in a run, unless one message alone has more. Postgres limits a tsvector to 1 MiB. */
const RUN_CHARACTERS = 64_000

/**
 * Adds messages to the index, grouping adjacent ones; see index_runs(). Messages already in the index stay unchanged; deleted
 * or missing ones are skipped.
 */
export async function indexMessages(db: Queryable, messages: readonly MessageTerms[]): Promise<void> {
  const runs = runsOf(messages.toSorted(byKey))
  if ((await putRuns(db, runs)) === runs.length) return
  // Some runs were refused whole. Retry message by message: each is then either added or needs no adding.
  await putRuns(
    db,
    runs.flatMap((run) => run.messages.map(runOf)),
  )
}

/** One or more adjacent messages of one slice. */
interface Run extends MessageKey {
  /** The prefix of each of their terms. */
  place: string
  messages: MessageTerms[]
}

function runOf(message: MessageTerms): Run {
  const { conversationId, seq } = message
  return { conversationId, seq, place: searchPlace(conversationId, searchSlice(seq)), messages: [message] }
}

/** Splits messages in key order into runs. */
function runsOf(inOrder: readonly MessageTerms[]): Run[] {
  const runs: Run[] = []
  let room = 0
  for (const message of inOrder) {
    const run = runs.at(-1)
    const characters = charactersOf(message)
    room -= characters
    if (run !== undefined && room >= 0 && isNext(run, message)) run.messages.push(message)
    else {
      runs.push(runOf(message))
      room = RUN_CHARACTERS - characters
    }
  }
  return runs
}

function isNext(
  { conversationId, seq: from, messages: { length } }: Run,
  { conversationId: id, seq }: MessageKey,
): boolean {
  return id === conversationId && seq === from + length && length < RUN_MAX && searchSlice(seq) === searchSlice(from)
}

function charactersOf({ terms }: MessageTerms): number {
  let characters = 0
  for (const term of terms.keys()) characters += term.length
  return characters
}

/** @returns the number of runs added; a run is added whole or not at all */
async function putRuns(db: Queryable, runs: readonly Run[]): Promise<number> {
  if (runs.length === 0) return 0
  let end = 0
  const { rows } = await db.query<{ put: number }>({
    name: 'index_runs',
    text: 'select index_runs($1::uuid[], $2::bigint[], $3::int[], $4::int[], $5::tsvector[], $6::tsvector[]) as put',
    values: [
      uuidArray(runs.map(({ conversationId }) => conversationId)),
      int8Array(runs.map(({ seq }) => seq)),
      intArray(runs.map(({ messages }) => messages.length)),
      intArray(runs.map(({ messages }) => (end += messages.length))),
      tsvectorArray(runs.map(({ place, messages }) => ({ place, terms: termsOf(messages) }))),
      tsvectorArray(runs.flatMap(({ place, messages }) => messages.map(({ terms }) => ({ place, terms })))),
    ],
  })
  return rows[0]?.put ?? 0
}

const NO_POSITIONS: readonly number[] = []

/** Returns the distinct terms of these messages, without positions. */
function termsOf(messages: readonly MessageTerms[]): ReadonlyMap<string, readonly number[]> {
  const all = new Map<string, readonly number[]>()
  for (const { terms } of messages) for (const term of terms.keys()) all.set(term, NO_POSITIONS)
  return all
}

/** A message as the index needs it. */
export interface IndexableRow {
  conversation_id: string
  seq: number
  sender_id: string
  content: string
  type: MessageType
  attachments: { fileName: string }[] | null
}

/**
 * Returns the undeleted messages that follow `after` in key order (from the first if it is null): `limit` of them, and then the
 * rest of the last one's slice. `upTo` is the end of that slice; null if there are no more messages.
 */
export async function listIndexable(
  db: Queryable,
  after: MessageKey | null,
  limit: number,
): Promise<{ rows: IndexableRow[]; upTo: MessageKey | null }> {
  const from = [after?.conversationId ?? FIRST_ID, after?.seq ?? 0]
  const { rows: ends } = await db.query<MessageKey>({
    name: 'indexable_end',
    text: `
      select conversation_id as "conversationId", seq from messages
      where (conversation_id, seq) > ($1::uuid, $2::bigint) and deleted_at is null
      order by conversation_id, seq offset $3 limit 1`,
    values: [...from, limit - 1],
  })
  const [end] = ends
  const upTo = end === undefined ? null : { ...end, seq: (searchSlice(end.seq) + 1) * SEARCH_SLICE - 1 }
  const { rows } = await db.query<IndexableRow>({
    name: 'list_indexable',
    text: `
      select conversation_id, seq, sender_id, content, type, attachments from messages
      where (conversation_id, seq) > ($1::uuid, $2::bigint) and (conversation_id, seq) <= ($3::uuid, $4::bigint)
        and deleted_at is null
      order by conversation_id, seq`,
    values: [...from, upTo?.conversationId ?? LAST_ID, upTo?.seq ?? 0],
  })
  return { rows, upTo }
}

/**
 * Locks the index against writes until the transaction ends; searches continue. Deleting a message waits for the first lock
 * before it touches the message; indexing waits for the second. See 0014_search_deletions.
 */
export async function lockIndex(tx: Queryable): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(search_deletions())')
  await tx.query('lock table message_search in exclusive mode')
}

/**
 * Clears the index within `after < key <= upTo` (to the end if `upTo` is null). Both must be ends of slices.
 * @returns how many of the cleared entries had no undeleted message
 */
export async function clearIndex(tx: Queryable, after: MessageKey | null, upTo: MessageKey | null): Promise<number> {
  const { rows } = await tx.query<{ stale: number }>({
    name: 'clear_index',
    text: `
      with cleared as (
        delete from message_search s
        where (s.conversation_id, s.from_seq) > ($1::uuid, $2::bigint)
          and (s.conversation_id, s.from_seq) <= ($3::uuid, $4::bigint)
        returning s.conversation_id, s.from_seq, s.vectors
      )
      select count(*) as stale from cleared c cross join unnest(c.vectors) with ordinality as v (terms, n)
      where v.terms is not null and not exists (
        select from messages m
        where m.conversation_id = c.conversation_id and m.seq = c.from_seq + v.n - 1 and m.deleted_at is null
        offset 0  -- prevents a join with the whole table
      )`,
    values: [after?.conversationId ?? FIRST_ID, after?.seq ?? 0, upTo?.conversationId ?? LAST_ID, upTo?.seq ?? 0],
  })
  return rows[0]?.stale ?? 0
}

/** Counts the messages up to and including `upTo` in key order, deleted ones too; all if it is null. */
export async function countMessages(db: Queryable, upTo: MessageKey | null): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    name: 'count_messages',
    text: `
      select coalesce(sum(case when id < $1::uuid then last_seq else least(last_seq, $2::bigint) end), 0)::bigint as count
      from conversations where id <= $1::uuid`,
    values: [upTo?.conversationId ?? LAST_ID, upTo?.seq ?? 0],
  })
  return rows[0]?.count ?? 0
}
