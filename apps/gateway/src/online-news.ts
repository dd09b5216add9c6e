import type { Arrival, Publisher } from '@parley/fanout'
import type { Membership, People } from '@parley/messaging'
import type { PresenceReader } from '@parley/presence'
import { retried } from '@parley/runtime/retried'

export interface OnlineNewsOptions {
  publisher: Pick<Publisher, 'online'>
  membership: Pick<Membership, 'conversationsOf'>
  people: Pick<People, 'get'>
  presenceReader: Pick<PresenceReader, 'online'>
}

/** Whoever comes alone is told of after this, in milliseconds. */
const GATHER_MS = 50
/**
 * While people come one after the other they are told of this often, in milliseconds, and less often the more of them there
 * were last time. It stays below the 3 s for which somebody who has gone is not reported (packages/presence: graceMs).
 * Figures in docs/PERFORMANCE.md.
 */
const LEAST_PAUSE_MS = 1_000
const PAUSE_MS_EACH = 10
const LONGEST_PAUSE_MS = 2_000

/** Times that a look into the database is tried. */
const TRIES = 10

/**
 * Tells people's contacts that they came online; those who come about the same time together. In a crowd everybody is a
 * contact of many who come, and one event at a time was a third of what a connection cost.
 *
 * Somebody who goes again at once is told of in time: the reaper waits for their grace, which is longer than this does.
 */
export class OnlineNews {
  readonly #options: OnlineNewsOptions
  #waiting = new Map<string, Arrival>()
  #timer: NodeJS.Timeout | undefined
  #nextAt = Number.NEGATIVE_INFINITY

  constructor(options: OnlineNewsOptions) {
    this.#options = options
  }

  tell(arrival: Arrival): void {
    this.#waiting.set(arrival.userId, arrival)
    if (this.#timer !== undefined) return
    const waitMs = Math.max(GATHER_MS, this.#nextAt - performance.now())
    this.#timer = setTimeout(() => this.flush(), waitMs)
  }

  /** Of somebody who came while Redis was away: what is to be told is looked up. Rejects when that fails for long. */
  async tellOf(userId: string): Promise<void> {
    await retried(async (attempt) => {
      // Who has gone again meanwhile is not announced after having been reported.
      if (attempt > 1 && !(await this.#options.presenceReader.online([userId])).has(userId)) return
      this.tell(await this.#lookUp(userId))
    }, TRIES)
  }

  /** Tells what is waiting now: contacts would never hear of people whose next gateway finds them online already. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const arrivals = [...this.#waiting.values()]
    this.#waiting = new Map()
    const pauseMs = Math.max(LEAST_PAUSE_MS, arrivals.length * PAUSE_MS_EACH)
    this.#nextAt = performance.now() + Math.min(LONGEST_PAUSE_MS, pauseMs)
    this.#options.publisher.online(arrivals)
  }

  async #lookUp(userId: string): Promise<Arrival> {
    const { people, membership } = this.#options
    const [{ fullName }, conversations] = await Promise.all([people.get(userId), membership.conversationsOf(userId)])
    return { userId, userName: fullName, conversationIds: shownIn(conversations) }
  }
}

/** Ids of the conversations in which a person's presence is shown. */
export function shownIn(conversations: Awaited<ReturnType<Membership['conversationsOf']>>): string[] {
  return conversations.flatMap(({ conversationId, showsPresence }) => (showsPresence ? [conversationId] : []))
}
