import type { MessageType } from '@parley/protocol'
import { int8Array, intArray, uuidArray } from '../binary-arrays.ts'
import { FIRST_ID, LAST_ID } from '../id-range.ts'
import type { Queryable } from '../pool.ts'
import { searchPlace, tsvectorArray } from '../term-vectors.ts'
import { byKey, type MessageKey } from './messages.ts'

/**
 * Messages of one conversation whose terms share a place. A lookup costs what matches within one place, so that a word
 * that every message has costs this much at most for each conversation that is looked at.
 */
export const SEARCH_SLICE = 512

/** Number of the slice that a message is in. */
export function searchSlice(seq: number): number {
  return Math.floor(seq / SEARCH_SLICE)
}

/** The key before the first of the slice that the next message after `key` is in. */
export function startOfSlice({ conversationId, seq }: MessageKey): MessageKey {
  return { conversationId, seq: searchSlice(seq + 1) * SEARCH_SLICE - 1 }
}

export interface MessageTerms {
  conversationId: string
  seq: number
  /** Positions of each term, in rising order. */
  terms: ReadonlyMap<string, readonly number[]>
}

/** Messages of a run at most: what one of them has is looked for in all of them, and a row of these fits a page. */
const RUN_MAX = 32
/** Characters of a run's terms at most, but for a message that has more by itself. Postgres' bound is 1 MiB for each vector. */
const RUN_CHARACTERS = 64_000

/**
 * Puts messages into the index, neighbours together; see index_runs(). One that is in it stays as it is, and one that is
 * deleted by now, or not there, is left out.
 */
export async function indexMessages(db: Queryable, messages: readonly MessageTerms[]): Promise<void> {
  const runs = runsOf(messages.toSorted(byKey))
  if ((await putRuns(db, runs)) === runs.length) return
  // What is right for a message alone: it is put in, or there is no need to.
  await putRuns(
    db,
    runs.flatMap((run) => run.messages.map(runOf)),
  )
}

/** Neighbouring messages of one slice, one at least. */
interface Run extends MessageKey {
  /** What stands before each of their terms. */
  place: string
  messages: MessageTerms[]
}

function runOf(message: MessageTerms): Run {
  const { conversationId, seq } = message
  return { conversationId, seq, place: searchPlace(conversationId, searchSlice(seq)), messages: [message] }
}

/** Cuts messages in key order into runs. */
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

/** @returns how many were put in whole; the others were not at all */
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

const NOWHERE: readonly number[] = []

/** The terms of all of these, each once and without positions. */
function termsOf(messages: readonly MessageTerms[]): ReadonlyMap<string, readonly number[]> {
  const all = new Map<string, readonly number[]>()
  for (const { terms } of messages) for (const term of terms.keys()) all.set(term, NOWHERE)
  return all
}

/** A message as the index is made from it. */
export interface IndexableRow {
  conversation_id: string
  seq: number
  sender_id: string
  content: string
  type: MessageType
  attachments: { fileName: string }[] | null
}

/**
 * The next messages in key order after `after` (from the first where it is null), those left out that are deleted: some
 * `limit` of them, to the end of the slice that the last of these is in. `upTo` is that end; null where there are no more.
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
 * Until the transaction ends nobody else puts anything into the index or takes it out. Searches go on. Whoever deletes a message
 * waits for the first lock, before the message is touched; who indexes waits for the second; see 0014_search_deletions.
 */
export async function lockIndex(tx: Queryable): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(search_deletions())')
  await tx.query('lock table message_search in exclusive mode')
}

/**
 * Empties the index within `after < key <= upTo` (to the end where `upTo` is null); both have to be ends of slices.
 * @returns how many there were that are no (living) messages
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
        offset 0  -- or it may be joined with all messages there are
      )`,
    values: [after?.conversationId ?? FIRST_ID, after?.seq ?? 0, upTo?.conversationId ?? LAST_ID, upTo?.seq ?? 0],
  })
  return rows[0]?.stale ?? 0
}

/** How many messages there are up to and including `upTo` in key order, the deleted ones too; all where it is null. */
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
