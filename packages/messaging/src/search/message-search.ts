import { setImmediate } from 'node:timers/promises'
import {
  type Database,
  findMessages,
  listParticipants,
  listReadMarks,
  listSearchScope,
  primaryReads,
  type Reads,
  type SearchMatch,
  type SearchScopeRow,
  searchSlices,
} from '@parley/db'
import {
  type Highlight,
  invalidRequest,
  LIMITS,
  type Message,
  ParleyError,
  pageMeta,
  type SearchHit,
  type SearchMessages,
  type SearchMeta,
} from '@parley/protocol'
import type { AttachmentLinks, Presence } from '../ports.ts'
import { presentMessage, presentParticipant } from '../present.ts'
import { bestFirst, collectNewest, LOOKUP_LIMIT, SEARCH_DEPTH } from './collect.ts'
import { matchedRanges } from './match.ts'
import { parseQuery, type QueryNode } from './query.ts'
import { toTsquery } from './tsearch.ts'

/** Yields to other requests after highlighting this much text: about ten milliseconds at most. */
const CHARACTERS_AT_ONCE = 20_000

type Brief = SearchHit['conversation']

/** Searches messages in a user's conversations. Reads no other conversation's part of the index. */
export class MessageSearch {
  readonly #db: Database
  readonly #presence: Presence
  readonly #links: AttachmentLinks
  readonly #reads: Reads

  /** @param reads where to read the index and the messages (a replica, say); permissions are always read from `db` */
  constructor(db: Database, presence: Presence, links: AttachmentLinks, reads: Reads = primaryReads(db)) {
    this.#db = db
    this.#reads = reads
    this.#presence = presence
    this.#links = links
  }

  /** @throws {ParleyError} VALIDATION_FAILED if the query has no searchable character; CONVERSATION_NOT_FOUND */
  async search(userId: string, search: SearchMessages): Promise<{ data: SearchHit[]; meta: SearchMeta }> {
    const node = parseQuery(search.query)
    if (node === null)
      throw invalidRequest([{ path: 'query', message: 'must have a letter, a digit or an emoji to look for' }])
    const { conversationId = null, from = null, to = null } = search
    const scope = await listSearchScope(this.#db.pool, userId, { conversationId, from, to })
    if (conversationId !== null && scope.length === 0) throw new ParleyError('CONVERSATION_NOT_FOUND')
    const { page, limit } = search
    const { matches, complete } = await this.#find(scope, node, search)
    const shown = matches.slice((page - 1) * limit, page * limit)
    const data = await this.#present(shown, scope, node, userId)
    return { data, meta: { ...pageMeta(page, limit, matches.length), totalIsExact: complete } }
  }

  async #find(
    scope: readonly SearchScopeRow[],
    node: QueryNode,
    { senderId, from, to, sort, page, limit }: SearchMessages,
  ): Promise<{ matches: SearchMatch[]; complete: boolean }> {
    const best = sort === 'best'
    const query = {
      query: toTsquery(node, senderId),
      rankBy: best ? toTsquery(node) : null,
      from: from ?? null,
      to: to ?? null,
      limit: LOOKUP_LIMIT,
    }
    const recent =
      from === undefined ? scope : scope.filter((row) => Date.parse(row.last_message_at) >= Date.parse(from))
    const found = await collectNewest(recent, best ? SEARCH_DEPTH : page * limit, (slices) =>
      this.#reads.query((db) => searchSlices(db, { slices, ...query })),
    )
    // Exclude messages stored after the scope was read: by then the user may have left.
    const lastOf = new Map(scope.map(({ id, to_seq }) => [id, to_seq]))
    const matches = found.matches.filter(({ conversation_id, seq }) => seq <= (lastOf.get(conversation_id) ?? 0))
    return { ...found, matches: best ? matches.sort(bestFirst) : matches }
  }

  /** Takes three queries and one presence lookup, however many matches there are. */
  async #present(
    matches: readonly SearchMatch[],
    scope: readonly SearchScopeRow[],
    node: QueryNode,
    userId: string,
  ): Promise<SearchHit[]> {
    if (matches.length === 0) return []
    const keys = matches.map((match) => ({ conversationId: match.conversation_id, seq: match.seq }))
    const ranges = keys.map(({ conversationId, seq }) => ({ conversationId, fromSeq: seq }))
    const matched = new Set(keys.map(({ conversationId }) => conversationId))
    const found = scope.filter(({ id }) => matched.has(id))
    const [rows, marks, briefs] = await Promise.all([
      // The matches may come from the primary or from a replica that is further ahead than this one.
      this.#reads.query(
        (db) => findMessages(db, keys),
        (found) => found.length === keys.length,
      ),
      listReadMarks(this.#db.pool, ranges),
      this.#briefs(found, userId),
    ])
    const marksOf = Map.groupBy(marks, (mark) => mark.conversation_id)
    const messages = new Map(
      rows.map((row) => [
        `${row.conversation_id} ${row.seq}`,
        presentMessage(row, marksOf.get(row.conversation_id) ?? [], this.#links),
      ]),
    )
    const hits: SearchHit[] = []
    let characters = 0
    for (const { conversationId, seq } of keys) {
      const message = messages.get(`${conversationId} ${seq}`)
      const conversation = briefs.get(conversationId)
      // Deleted since it was found: omit it. The total is then one too high.
      if (message === undefined || conversation === undefined) continue
      hits.push({ ...message, conversation, highlights: highlightsOf(message, node) })
      characters += message.content.length
      if (characters > CHARACTERS_AT_ONCE) {
        characters = 0
        await setImmediate()
      }
    }
    return hits
  }

  async #briefs(scope: readonly SearchScopeRow[], userId: string): Promise<Map<string, Brief>> {
    const people = await listParticipants(
      this.#db.pool,
      scope.map(({ id }) => ({ conversationId: id, askerId: userId, limit: LIMITS.listedParticipants })),
    )
    const isShown = (row: SearchScopeRow) => row.participant_count <= LIMITS.presenceGroupSize
    const shown = new Set(scope.flatMap((row, at) => (isShown(row) ? (people[at] ?? []).map(({ id }) => id) : [])))
    // If Redis is down, everybody is shown as offline; messages can still be found.
    const online = await this.#presence.online([...shown]).catch(() => new Set<string>())
    const now = new Date()
    return new Map(
      scope.map((row, at) => {
        const seen = isShown(row) ? online : null
        const participants = (people[at] ?? []).map((person) => presentParticipant(person, seen, now))
        return [row.id, { id: row.id, type: row.type, name: row.name, participants }]
      }),
    )
  }
}

function highlightsOf(message: Message, node: QueryNode): Highlight[] {
  const texts = [
    { attachmentId: null, text: message.content },
    ...message.attachments.map(({ id, fileName }) => ({ attachmentId: id, text: fileName })),
  ]
  return texts.flatMap(({ attachmentId, text }) =>
    matchedRanges(node, text).map(({ start, end }) => ({ attachmentId, start, end, text: text.slice(start, end) })),
  )
}
