import { dataOf } from '@parley/testkit'
import type { ChaosClient, View } from './client.ts'
import type { Stage } from './stage.ts'
import { readStandings, type Standings, viewsOf } from './truth.ts'
import { until } from './waiting.ts'

const BOUND_MS = 20_000

/**
 * Waits until every client has the conversations, names, members, roles, read marks and counters of the database.
 * @returns how long it took in milliseconds, or descriptions of the differences that remained
 */
export async function viewsConverged(
  stage: Stage,
  clients: ReadonlyMap<string, ChaosClient>,
): Promise<number | string[]> {
  let wrong: string[] = []
  const took = await until(async () => {
    // Read marks may still be in transit.
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

/** Describes the differences between the conversations shown and the real ones. */
export function compareViews(shown: ReadonlyMap<string, View>, real: ReadonlyMap<string, View>): string[] {
  return [...new Set([...shown.keys(), ...real.keys()])].flatMap((id) => {
    const [view, truth] = [shown.get(id), real.get(id)]
    if (view === undefined) return [`does not show ${id}`]
    if (truth === undefined) return [`shows ${id} without being a member`]
    const [shownFacts, realFacts] = [factsOf(view), factsOf(truth)]
    return [...new Set([...shownFacts.keys(), ...realFacts.keys()])]
      .filter((fact) => shownFacts.get(fact) !== realFacts.get(fact))
      .map((fact) => `shows ${fact} of ${id} as ${shownFacts.get(fact)} instead of ${realFacts.get(fact)}`)
  })
}

function factsOf({ type, name, lastSeq, lastReadSeq, unreadCount, members }: View): Map<string, unknown> {
  const people = [...members].map(([id, person]) => [`member ${id}`, `${person.role}, read ${person.lastReadSeq}`])
  return new Map(Object.entries({ type, name, lastSeq, lastReadSeq, unreadCount, ...Object.fromEntries(people) }))
}

/** Checks that the server's unread counts match the number of messages after the read mark. */
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
    const reported = new Map(dataOf(answer).conversations.map((row) => [row.conversationId, row.unreadCount]))
    const counted = new Map(countedOf.get(id)?.map((row) => [row.conversation_id, row.unread]))
    return [...new Set([...reported.keys(), ...counted.keys()])].flatMap((conversationId) => {
      const [shown, real] = [reported.get(conversationId) ?? 0, counted.get(conversationId) ?? 0]
      return shown === real
        ? []
        : [`${fullName} has ${real} unread messages in ${conversationId}; the server reports ${shown}`]
    })
  })
  return (await Promise.all(judged)).flat()
}
