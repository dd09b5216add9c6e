import { dataOf } from '@parley/testkit'
import type { ChaosClient, View } from './client.ts'
import type { Stage } from './stage.ts'
import { readStandings, type Standings, viewsOf } from './truth.ts'
import { until } from './waiting.ts'

const BOUND_MS = 20_000

/**
 * Waits until every client has the conversations, names, people, roles, read marks and counters that the database has.
 * @returns how long it took in milliseconds, or what stayed different
 */
export async function viewsConverged(
  stage: Stage,
  clients: ReadonlyMap<string, ChaosClient>,
): Promise<number | string[]> {
  let wrong: string[] = []
  const took = await until(async () => {
    // Read marks may still be on their way.
    const standings = await readStandings(stage)
    wrong = [...clients.values()].flatMap((client) => compare(client, standings))
    return wrong.length === 0
  }, BOUND_MS)
  return took ?? wrong
}

function compare(client: ChaosClient, standings: Standings): string[] {
  const differences = compareViews(client.views(), viewsOf(client.user.id, standings))
  return differences.map((difference) => `${client.user.fullName} (${client.describe()}) ${difference}`)
}

/** In words, what of each conversation is shown otherwise than it is. */
export function compareViews(shown: ReadonlyMap<string, View>, real: ReadonlyMap<string, View>): string[] {
  return [...new Set([...shown.keys(), ...real.keys()])].flatMap((id) => {
    const [view, truth] = [shown.get(id), real.get(id)]
    if (view === undefined) return [`lacks ${id}`]
    if (truth === undefined) return [`shows ${id} without being in it`]
    const [is, should] = [factsOf(view), factsOf(truth)]
    return [...new Set([...is.keys(), ...should.keys()])]
      .filter((fact) => is.get(fact) !== should.get(fact))
      .map((fact) => `shows ${fact} of ${id} as ${is.get(fact)}; it is ${should.get(fact)}`)
  })
}

function factsOf({ type, name, lastSeq, lastReadSeq, unreadCount, members }: View): Map<string, unknown> {
  const people = [...members].map(([id, person]) => [`member ${id}`, `${person.role}, read ${person.lastReadSeq}`])
  return new Map(Object.entries({ type, name, lastSeq, lastReadSeq, unreadCount, ...Object.fromEntries(people) }))
}

/** The unread counts that the server tells equal what counting the messages gives. */
export async function judgeUnread({ cluster, postgres, users }: Stage): Promise<string[]> {
  const { rows } = await postgres.sql.query<{ user_id: string; conversation_id: string; unread: number }>(`
    select p.user_id, p.conversation_id, count(m.seq)::int as unread from participants p
    join messages m on m.conversation_id = p.conversation_id and m.seq > p.last_read_seq
    where p.left_at is null group by 1, 2`)
  const countedOf = Map.groupBy(rows, (row) => row.user_id)
  const judged = users.map(async ({ id, fullName }) => {
    const answer = await cluster
      .api(id)
      .get<{ conversations: { conversationId: string; unreadCount: number }[] }>('/api/messages/unread')
    const told = new Map(dataOf(answer).conversations.map((row) => [row.conversationId, row.unreadCount]))
    const counted = new Map(countedOf.get(id)?.map((row) => [row.conversation_id, row.unread]))
    return [...new Set([...told.keys(), ...counted.keys()])].flatMap((conversationId) => {
      const [said, real] = [told.get(conversationId) ?? 0, counted.get(conversationId) ?? 0]
      return said === real ? [] : [`${fullName} is told of ${said} unread in ${conversationId}; there are ${real}`]
    })
  })
  return (await Promise.all(judged)).flat()
}
