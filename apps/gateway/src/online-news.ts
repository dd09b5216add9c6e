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

/** How long after a lone arrival it is announced, in milliseconds. */
const GATHER_MS = 50
/**
 * While people keep arriving, they are announced at this interval, in milliseconds, which grows with the number announced last
 * time. It stays below the 3 s before a departure is reported (packages/presence: graceMs). Figures in docs/PERFORMANCE.md.
 */
const LEAST_PAUSE_MS = 1_000
const PAUSE_MS_EACH = 10
const LONGEST_PAUSE_MS = 2_000

/** How often a failing look-up is tried. */
const TRIES = 10

/**
 * Tells contacts that people came online, and announces those who arrive at about the same time together. In a crowd everybody
 * is a contact of many arrivals, and one event for each was a third of the cost of a connection.
 *
 * Somebody who leaves again at once is still announced before they are reported offline: the reaper's grace is longer.
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

  /** Looks up and announces somebody who came while Redis was away. Rejects when the look-up keeps failing. */
  async tellOf(userId: string): Promise<void> {
    await retried(async (attempt) => {
      // Do not announce somebody who has since been reported offline.
      if (attempt > 1 && !(await this.#options.presenceReader.online([userId])).has(userId)) return
      this.tell(await this.#lookUp(userId))
    }, TRIES)
  }

  /** Announces everything that is waiting. Needed on stop too: these people's next gateway finds them already online. */
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

/** Returns the ids of the conversations in which a person's presence is shown. */
export function shownIn(conversations: Awaited<ReturnType<Membership['conversationsOf']>>): string[] {
  return conversations.flatMap(({ conversationId, showsPresence }) => (showsPresence ? [conversationId] : []))
}
