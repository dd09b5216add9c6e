import type { Acked, ChaosClient, Seen } from './client.ts'
import type { Failed } from './traffic.ts'
import { absencesOf, type Standings, type Stored, type Truth } from './truth.ts'

export interface Verdict {
  lost: number
  duplicated: number
  misordered: number
  /** Messages that reached somebody who was not a member. */
  leaked: number
  /** Descriptions of the first few problems of each kind. */
  problems: string[]
}

/** Describes the members who do not have everything up to these heads; people who joined later need not have it. */
export function lagging(
  standings: Standings,
  clients: ReadonlyMap<string, ChaosClient>,
  heads: ReadonlyMap<string, number>,
): string[] {
  return [...standings].flatMap(([id, { members }]) => {
    const head = heads.get(id) ?? 0
    return [...members].flatMap(([userId, { joinedSeq }]) => {
      const client = joinedSeq < head ? clients.get(userId) : undefined
      const newest = client?.delivered.get(id)?.at(-1)?.seq ?? 0
      return client === undefined || newest >= head ? [] : [`${nameOf(client)} is at ${newest} of ${head} in ${id}`]
    })
  })
}

/** The number of problems of each kind that are described. */
const EXAMPLES = 6

export interface Evidence {
  clients: ReadonlyMap<string, ChaosClient>
  acked: readonly Acked[]
  failed: readonly Failed[]
  truth: Truth
  standings: Standings
  /** The seq up to which each conversation has been checked before. */
  checked: ReadonlyMap<string, number>
}

/** Compares what was acked, what is stored, and what each client has delivered. */
export function judge({ clients, acked, failed, truth, standings, checked }: Evidence): Verdict {
  const verdict: Verdict = { lost: 0, duplicated: 0, misordered: 0, leaked: 0, problems: [] }
  const described = new Map<string, number>()
  const blame: Blame = (kind, what, problem) => {
    verdict[kind]++
    const before = described.get(what) ?? 0
    described.set(what, before + 1)
    if (before < EXAMPLES) verdict.problems.push(`${kind}: ${problem}`)
  }
  judgeAcks(acked, truth, blame)
  for (const [id, rows] of truth) judgeRows(id, rows, blame)
  for (const client of clients.values()) {
    for (const [id, delivered] of client.delivered) judgeDelivered(id, truth.get(id) ?? [], delivered, client, blame)
    judgeArrivals(client, truth, standings, blame)
  }
  for (const [id, { members }] of standings) {
    for (const [userId, { joinedSeq }] of members) {
      const from = Math.max(checked.get(id) ?? 0, joinedSeq)
      const client = clients.get(userId)
      if (client !== undefined) judgeComplete(id, (truth.get(id) ?? []).slice(from), client, blame)
    }
  }
  verdict.problems.push(...judgeFailed(failed, truth, standings))
  return verdict
}

type Blame = (kind: 'lost' | 'duplicated' | 'misordered' | 'leaked', what: string, problem: string) => void

/** Checks that every acked message is stored once, with the content sent and the seq of its ack. */
function judgeAcks(acked: readonly Acked[], truth: Truth, blame: Blame): void {
  for (const { conversationId, id, seq, content, senderId } of acked) {
    const rows = truth.get(conversationId) ?? []
    const row = rows[seq - 1]?.id === id ? rows[seq - 1] : rows.find((candidate) => candidate.id === id)
    const about = `"${content}" in ${conversationId}`
    if (row === undefined) blame('lost', 'an ack', `${about} was acked but is not stored`)
    else if (row.content !== content || row.senderId !== senderId)
      blame('lost', 'content', `${about} is stored with other content`)
    else if (row.seq !== seq) blame('misordered', 'a seq', `${about} was acked as ${seq} and is stored as ${row.seq}`)
  }
}

/** Checks that seqs have no gaps, that nothing is stored twice, and that each sender's messages are in the order of sending. */
function judgeRows(conversationId: string, rows: readonly Stored[], blame: Blame): void {
  const contents = new Set<string>()
  const lastOf = new Map<string, number>()
  rows.forEach(({ seq, content, senderId, system }, index) => {
    if (seq !== index + 1) blame('misordered', 'a gap', `${conversationId} has seq ${seq} at position ${index + 1}`)
    if (system !== null) return
    if (contents.has(content)) blame('duplicated', 'a row', `"${content}" is stored twice`)
    contents.add(content)
    const count = Number.parseInt(content, 10)
    if (count < (lastOf.get(senderId) ?? 0)) blame('misordered', 'a sender', `"${content}" is stored after a later one`)
    lastOf.set(senderId, count)
  })
}

/** Checks that everything shown is stored, and was shown once and in the order of seq. */
function judgeDelivered(
  id: string,
  rows: readonly Stored[],
  delivered: readonly Seen[],
  client: ChaosClient,
  blame: Blame,
): void {
  const shown = new Set<string>()
  let last = 0
  for (const message of delivered) {
    const { seq, content } = message
    if (shown.has(message.id)) blame('duplicated', 'a delivery', `${nameOf(client)} was shown "${content}" twice`)
    else if (seq <= last)
      blame('misordered', 'a delivery', `${nameOf(client)} was shown "${content}" after a later one`)
    const row = rows[seq - 1]
    if (row?.id !== message.id || row.content !== content)
      blame('lost', 'a content', `${nameOf(client)} has "${content}" as ${seq} of ${id}, which is another message`)
    shown.add(message.id)
    last = Math.max(last, seq)
  }
}

/** Checks that a member has all of these. */
function judgeComplete(id: string, rows: readonly Stored[], client: ChaosClient, blame: Blame): void {
  const delivered = new Set(client.delivered.get(id)?.map((message) => message.id))
  for (const row of rows) {
    if (delivered.has(row.id)) continue
    blame('lost', 'a delivery', `${nameOf(client)} is missing "${row.content}" (${id}, seq ${row.seq})`)
  }
}

/**
 * Checks that nobody received a message stored after they were removed, unless they were a member again when it arrived: members
 * who are added again see all messages.
 */
function judgeArrivals(client: ChaosClient, truth: Truth, standings: Standings, blame: Blame): void {
  const { id: userId } = client.user
  for (const [id, arrivals] of Map.groupBy(client.arrivals.splice(0), ({ conversationId }) => conversationId)) {
    const absences = absencesOf(userId, truth.get(id) ?? [], standings.get(id)?.members.has(userId) ?? false)
    for (const { seq, at } of arrivals) {
      const absence = absences.find(({ fromSeq, until }) => seq >= fromSeq && at < until)
      if (absence === undefined) continue
      const since = absence.fromSeq === 0 ? 'without being a member' : `after being removed in seq ${absence.fromSeq}`
      blame('leaked', 'a leak', `${nameOf(client)} received seq ${seq} of ${id} ${since}`)
    }
  }
}

/** Returns the failures, except that a person who had been removed may be told that there is no such conversation. */
function judgeFailed(failed: readonly Failed[], truth: Truth, standings: Standings): string[] {
  return failed.flatMap(({ conversationId, senderId, code, problem }) => {
    const isMember = standings.get(conversationId)?.members.has(senderId) ?? false
    const wasOut = absencesOf(senderId, truth.get(conversationId) ?? [], isMember).length > 0
    return code === 'CONVERSATION_NOT_FOUND' && wasOut ? [] : [problem]
  })
}

function nameOf(client: ChaosClient): string {
  return `${client.user.fullName} (${client.describe()})`
}
