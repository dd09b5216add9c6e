import { dataOf } from '@parley/testkit'
import type { Acked, ChaosClient, Seen } from './client.ts'
import type { Stage } from './stage.ts'

/** What the database holds of each conversation, in the order of seq. */
export type Truth = Map<string, Seen[]>

export interface Verdict {
  lost: number
  duplicated: number
  misordered: number
  /** In words, the first few of each kind. */
  problems: string[]
}

export async function readTruth({ postgres, conversations }: Stage): Promise<Truth> {
  const truth: Truth = new Map(conversations.map(({ id }) => [id, []]))
  const { rows } = await postgres.sql.query<{ conversation_id: string; id: string; seq: string; s: string; c: string }>(
    'select conversation_id, id, seq, sender_id as s, content as c from messages order by conversation_id, seq',
  )
  for (const { conversation_id, id, seq, s, c } of rows) {
    truth.get(conversation_id)?.push({ id, seq: Number(seq), senderId: s, content: c })
  }
  return truth
}

/** Seq of the newest message of each conversation. */
export async function readHeads({ postgres }: Stage): Promise<Map<string, number>> {
  const { rows } = await postgres.sql.query<{ id: string; seq: string }>(
    'select id, last_seq as seq from conversations',
  )
  return new Map(rows.map(({ id, seq }) => [id, Number(seq)]))
}

/** Whether every member has everything up to these heads. */
export function isWhole(
  { conversations }: Stage,
  clients: ReadonlyMap<string, ChaosClient>,
  heads: ReadonlyMap<string, number>,
): boolean {
  return conversations.every(({ id, members }) =>
    members.every((userId) => (clients.get(userId)?.delivered(id).length ?? 0) >= (heads.get(id) ?? 0)),
  )
}

/** Problems of one kind that are put into words. */
const EXAMPLES = 6

export interface Evidence {
  stage: Stage
  clients: ReadonlyMap<string, ChaosClient>
  acked: readonly Acked[]
  truth: Truth
  /** Seq up to which each conversation was checked before. */
  checked: ReadonlyMap<string, number>
}

/** Compares what was acked, what is stored and what each client has delivered. */
export function judge({ stage, clients, acked, truth, checked }: Evidence): Verdict {
  const verdict: Verdict = { lost: 0, duplicated: 0, misordered: 0, problems: [] }
  const told = new Map<string, number>()
  const blame: Blame = (kind, what, problem) => {
    verdict[kind]++
    const before = told.get(what) ?? 0
    told.set(what, before + 1)
    if (before < EXAMPLES) verdict.problems.push(`${kind}: ${problem}`)
  }
  judgeAcks(acked, truth, blame)
  for (const { id, members } of stage.conversations) {
    const rows = truth.get(id) ?? []
    judgeRows(id, rows, blame)
    const from = checked.get(id) ?? 0
    for (const userId of members) {
      const client = clients.get(userId)
      if (client !== undefined) judgeDelivery(id, rows, from, client, blame)
    }
  }
  return verdict
}

type Blame = (kind: 'lost' | 'duplicated' | 'misordered', what: string, problem: string) => void

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
function judgeRows(conversationId: string, rows: readonly Seen[], blame: Blame): void {
  const contents = new Set<string>()
  const lastOf = new Map<string, number>()
  rows.forEach(({ seq, content, senderId }, index) => {
    if (seq !== index + 1) blame('misordered', 'a gap', `${conversationId} has seq ${seq} at place ${index + 1}`)
    if (contents.has(content)) blame('duplicated', 'a row', `"${content}" is stored twice`)
    contents.add(content)
    const count = Number.parseInt(content, 10)
    // The server's own messages are not numbered.
    if (Number.isNaN(count)) return
    if (count < (lastOf.get(senderId) ?? 0)) blame('misordered', 'a sender', `"${content}" stands after a later one`)
    lastOf.set(senderId, count)
  })
}

/** A member has exactly what is stored, in its order. */
function judgeDelivery(id: string, rows: readonly Seen[], from: number, client: ChaosClient, blame: Blame): void {
  const delivered = client.delivered(id)
  const who = `${client.user.fullName} (${client.describe()})`
  const places = new Map<string, number>()
  delivered.forEach((message, index) => {
    if (places.has(message.id)) blame('duplicated', 'a delivery', `${who} was shown "${message.content}" twice`)
    places.set(message.id, index)
  })
  for (const row of rows.slice(from)) {
    const place = places.get(row.id)
    if (place === undefined) blame('lost', 'a delivery', `${who} lacks "${row.content}" (${id}, seq ${row.seq})`)
    else if (place !== row.seq - 1) blame('misordered', 'a delivery', `${who} has "${row.content}" at ${place + 1}`)
  }
  if (delivered.length > rows.length) blame('duplicated', 'too many', `${who} has more of ${id} than is stored`)
}

/** Nobody got anything of a conversation that they are not in, or after they were taken out of it. */
export function judgeOutsiders({ conversations }: Stage, clients: ReadonlyMap<string, ChaosClient>): string[] {
  const groups = new Map(conversations.map((group) => [group.id, group]))
  return [...clients.values()].flatMap((client) =>
    client
      .conversations()
      .filter((id) => {
        const group = groups.get(id)
        const isMember = group?.members.includes(client.user.id) ?? false
        return !isMember && client.delivered(id).length > (group?.ousted.get(client.user.id) ?? 0)
      })
      .map((id) => `${client.user.fullName} got messages of ${id} without being in it`),
  )
}

/** The unread counts that the server tells, and those that clients keep, equal what counting the messages gives. */
export async function judgeUnread(
  { cluster, postgres, users }: Stage,
  clients: ReadonlyMap<string, ChaosClient>,
): Promise<string[]> {
  const { rows } = await postgres.sql.query<{ user_id: string; conversation_id: string; unread: string }>(`
    select p.user_id, p.conversation_id, count(m.seq) as unread from participants p
    join messages m on m.conversation_id = p.conversation_id and m.seq > p.last_read_seq
    where p.left_at is null group by 1, 2`)
  const counted = new Map(rows.map((row) => [`${row.user_id} ${row.conversation_id}`, Number(row.unread)]))
  const wrong: string[] = []
  for (const { id, fullName } of users) {
    const answer = await cluster
      .api(id)
      .get<{ conversations: { conversationId: string; unreadCount: number }[] }>('/api/messages/unread')
    const told = new Map(dataOf(answer).conversations.map((row) => [row.conversationId, row.unreadCount]))
    const own = rows.filter((row) => row.user_id === id).map((row) => row.conversation_id)
    for (const conversationId of new Set([...told.keys(), ...own])) {
      const real = counted.get(`${id} ${conversationId}`) ?? 0
      const said = told.get(conversationId) ?? 0
      if (real !== said) wrong.push(`${fullName} is told of ${said} unread in ${conversationId}; there are ${real}`)
      const shown = clients.get(id)?.unread()?.get(conversationId) ?? real
      if (real !== shown) wrong.push(`${fullName} is shown ${shown} unread in ${conversationId}; there are ${real}`)
    }
  }
  return wrong
}
