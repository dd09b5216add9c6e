import type { Conversation } from '@parley/protocol'
import { type Cluster, dataOf, next, user } from '@parley/testkit'
import type { ChaosClient } from './client.ts'
import type { Standings } from './truth.ts'
import { until } from './waiting.ts'

/** Measured times in milliseconds; their limits are in §7 of the design. */
export interface PresenceBounds {
  /** From a first connection to `userOnline` at a contact. */
  onlineMs: number
  /** From a clean disconnect to `userOffline` at a contact, including the grace of 3,000. */
  offlineAfterDisconnectMs: number
  /** From the SIGKILL of a gateway to `userOffline` for a person connected to it; null if that fault was not run. */
  offlineAfterKillMs: number | null
  /** The longest time after a fault until everybody's view of who is online was right again. */
  convergedMs: number
  /** People shown as offline during the rolling restart; null if it was not run. */
  flickers: number | null
}

/** The limits of §7 of the design, in milliseconds, including the grace of 3 s. */
const ALLOWED = { offlineAfterDisconnectMs: 6_000, offlineAfterKillMs: 20_000 }

/** Describes the limits that were exceeded. */
export function judgeBounds({ offlineAfterDisconnectMs, offlineAfterKillMs, flickers }: PresenceBounds): string[] {
  const late = (what: string, measured: number | null, allowed: number) =>
    measured !== null && measured > allowed ? [`presence: offline ${what} after ${measured} ms, not ${allowed}`] : []
  return [
    ...late('after a clean disconnect', offlineAfterDisconnectMs, ALLOWED.offlineAfterDisconnectMs),
    ...late('after a SIGKILL', offlineAfterKillMs, ALLOWED.offlineAfterKillMs),
    ...(flickers ? [`presence: somebody was shown as offline ${flickers} times during the rolling restart`] : []),
  ]
}

const SAMPLES = 3
const BOUND_MS = 40_000
/** The gateways of the watcher and of the watched person. */
const WATCHER = 2
const WATCHED = 0

/** Measures how long others take to see that somebody came online, and went offline in order: the longest of some samples. */
export async function measurePresence(
  cluster: Cluster,
): Promise<Pick<PresenceBounds, 'onlineMs' | 'offlineAfterDisconnectMs'>> {
  const online: number[] = []
  const offline: number[] = []
  for (let sample = 0; sample < SAMPLES; sample++) {
    const { watcher, watched } = await pair(cluster)
    const watching = await cluster.socket(watcher, { gateway: WATCHER })
    const options = { timeoutMs: BOUND_MS }
    const cameOnline = next(watching, 'userOnline', ({ userId }) => userId === watched.id, options)
    let began = performance.now()
    const socket = await cluster.socket(watched, { gateway: WATCHED })
    await cameOnline
    online.push(performance.now() - began)
    const wentOffline = next(watching, 'userOffline', ({ userId }) => userId === watched.id, options)
    began = performance.now()
    socket.disconnect()
    await wentOffline
    offline.push(performance.now() - began)
    watching.disconnect()
  }
  return { onlineMs: worst(online), offlineAfterDisconnectMs: worst(offline) }
}

/**
 * Connects a person to the gateway about to be killed.
 * @returns a function that measures the time from its call to `userOffline`, in milliseconds
 */
export async function watchOverKill(cluster: Cluster): Promise<() => Promise<number>> {
  const { watcher, watched } = await pair(cluster)
  const watching = await cluster.socket(watcher, { gateway: WATCHER })
  const cameOnline = next(watching, 'userOnline', ({ userId }) => userId === watched.id)
  await cluster.socket(watched, { gateway: WATCHED, reconnection: false })
  await cameOnline
  return async () => {
    const began = performance.now()
    await next(watching, 'userOffline', ({ userId }) => userId === watched.id, { timeoutMs: BOUND_MS })
    watching.disconnect()
    return Math.round(performance.now() - began)
  }
}

/**
 * Waits until everybody considers exactly their contacts online.
 * @returns how long it took in milliseconds, or descriptions of the views that stayed wrong
 */
export async function presenceConverged(
  standings: Standings,
  clients: ReadonlyMap<string, ChaosClient>,
): Promise<number | string[]> {
  const contacts = new Map([...clients.keys()].map((id) => [id, new Set<string>()]))
  for (const { members } of standings.values()) {
    for (const id of members.keys()) for (const other of members.keys()) if (other !== id) contacts.get(id)?.add(other)
  }
  let wrong: string[] = []
  const took = await until(async () => {
    const views = [...clients.values()].map(async (client) =>
      compare(client.user.fullName, await client.online(), contacts.get(client.user.id)),
    )
    wrong = (await Promise.all(views)).flat()
    return wrong.length === 0
  }, BOUND_MS)
  return took ?? wrong

  function compare(
    who: string,
    online: ReadonlySet<string> | null,
    expected: ReadonlySet<string> = new Set(),
  ): string[] {
    if (online === null) return [`${who} does not know who is online`]
    const name = (id: string) => clients.get(id)?.user.fullName ?? id
    const missing = [...expected].filter((id) => !online.has(id)).map((id) => `${who} considers ${name(id)} offline`)
    const unexpected = [...online].filter((id) => !expected.has(id)).map((id) => `${who} considers ${name(id)} online`)
    return [...missing, ...unexpected]
  }
}

async function pair(cluster: Cluster) {
  const [watcher, watched] = [user('Watcher'), user('Watched')]
  await cluster.register(watcher, watched)
  const body = { type: 'DIRECT', participantIds: [watched.id] }
  dataOf(await cluster.api(watcher).post<Conversation>('/api/messages/conversations', body))
  return { watcher, watched }
}

function worst(samples: number[]): number {
  return Math.round(Math.max(...samples))
}
