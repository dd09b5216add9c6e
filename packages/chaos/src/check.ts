import type { Acked, ChaosClient, Seen } from './client.ts'
import type { Failed } from './traffic.ts'
import { absencesOf, type Standings, type Stored, type Truth } from './truth.ts'

export interface Verdict {
  lost: number
  duplicated: number
  misordered: number
  /** Messages that reached somebody who was not in the conversation. */
  leaked: number
  /** In words, the first few of each kind. */
  problems: string[]
}

/** Which members do not have everything up to these heads, and of what; who came in after them need not. */
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

/** Problems of one kind that are put into words. */
const EXAMPLES = 6

export interface Evidence {
  clients: ReadonlyMap<string, ChaosClient>
  acked: readonly Acked[]
  failed: readonly Failed[]
  truth: Truth
  standings: Standings
  /** Seq up to which each conversation was checked before. */
  checked: ReadonlyMap<string, number>
}

/** Compares what was acked, what is stored and what each client has delivered. */
export function judge({ clients, acked, failed, truth, standings, checked }: Evidence): Verdict {
  const verdict: Verdict = { lost: 0, duplicated: 0, misordered: 0, leaked: 0, problems: [] }
  const told = new Map<string, number>()
  const blame: Blame = (kind, what, problem) => {
    verdict[kind]++
    const before = told.get(what) ?? 0
    told.set(what, before + 1)
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
      if (client !== undefined) judgeWhole(id, (truth.get(id) ?? []).slice(from), client, blame)
    }
  }
  verdict.problems.push(...judgeFailed(failed, truth, standings))
  return verdict
}

type Blame = (kind: 'lost' | 'duplicated' | 'misordered' | 'leaked', what: string, problem: string) => void

/** Every acked message is stored once, with the content sent, where its ack said. */
function judgeAcks(acked: readonly Acked[], truth: Truth, blame: Blame): void {
  for (const { conversationId, id, seq, content, senderId } of acked) {
    const rows = truth.get(conversationId) ?? []
    const row = rows[seq - 1]?.id === id ? rows[seq - 1] : rows.find((candidate) => candidate.id === id)
    const about = `"${content}" in ${conversationId}`
    if (row === undefined) blame('lost', 'an ack', `${about} was acked and is not stored`)
    else if (row.content !== content || row.senderId !== senderId)
      blame('lost', 'content', `${about} is stored changed`)
    else if (row.seq !== seq) blame('misordered', 'a seq', `${about} was acked as ${seq} and is stored as ${row.seq}`)
  }
}

/** seq counts from 1 without a gap, nothing is stored twice, and one sender's messages stand as they were sent. */
function judgeRows(conversationId: string, rows: readonly Stored[], blame: Blame): void {
  const contents = new Set<string>()
  const lastOf = new Map<string, number>()
  rows.forEach(({ seq, content, senderId, system }, index) => {
    if (seq !== index + 1) blame('misordered', 'a gap', `${conversationId} has seq ${seq} at place ${index + 1}`)
    if (system !== null) return
    if (contents.has(content)) blame('duplicated', 'a row', `"${content}" is stored twice`)
    contents.add(content)
    const count = Number.parseInt(content, 10)
    if (count < (lastOf.get(senderId) ?? 0)) blame('misordered', 'a sender', `"${content}" stands after a later one`)
    lastOf.set(senderId, count)
  })
}

/** Whatever was shown is stored, was shown once and in the order of seq. */
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
    else if (seq <= last) blame('misordered', 'a delivery', `${nameOf(client)} has "${content}" after a later one`)
    const row = rows[seq - 1]
    if (row?.id !== message.id || row.content !== content)
      blame('lost', 'a content', `${nameOf(client)} has "${content}" as ${seq} of ${id}, which is another message`)
    shown.add(message.id)
    last = Math.max(last, seq)
  }
}

/** A member has all of these. */
function judgeWhole(id: string, rows: readonly Stored[], client: ChaosClient, blame: Blame): void {
  const had = new Set(client.delivered.get(id)?.map((message) => message.id))
  for (const row of rows) {
    if (had.has(row.id)) continue
    blame('lost', 'a delivery', `${nameOf(client)} lacks "${row.content}" (${id}, seq ${row.seq})`)
  }
}

/**
 * Nobody got anything of a conversation that was stored after they had been taken out, unless they were in it again by then:
 * who is added sees all of it.
 */
function judgeArrivals(client: ChaosClient, truth: Truth, standings: Standings, blame: Blame): void {
  const { id: userId } = client.user
  for (const [id, arrivals] of Map.groupBy(client.arrivals.splice(0), ({ conversationId }) => conversationId)) {
    const absences = absencesOf(userId, truth.get(id) ?? [], standings.get(id)?.members.has(userId) ?? false)
    for (const { seq, at } of arrivals) {
      const absence = absences.find(({ fromSeq, until }) => seq >= fromSeq && at < until)
      if (absence === undefined) continue
      const since = absence.fromSeq === 0 ? 'not in it' : `taken out by ${absence.fromSeq}`
      blame('leaked', 'a leak', `${nameOf(client)} got seq ${seq} of ${id}, ${since}`)
    }
  }
}

/** Only who was not in a conversation may be told that there is none. */
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
