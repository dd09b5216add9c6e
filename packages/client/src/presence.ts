import { LazyStore } from './store.ts'

/** Who is online among the users who share a conversation with this one. */
export class Presence {
  readonly #onChange: (userId: string, isOnline: boolean, lastSeen: string) => void
  readonly #onList: (online: ReadonlySet<string>) => void
  #online = new Set<string>()
  /** For each list being fetched, the events received since it was requested: online or not, by user id. */
  readonly #meanwhile = new Set<Map<string, boolean>>()
  /** Numbers of the list requested last and of the one applied last. */
  #requested = 0
  #applied = 0
  /** Ids of those who are online. */
  readonly store = new LazyStore<ReadonlySet<string>>(() => new Set(this.#online))

  /**
   * @param onChange called when a user came online or went offline just now
   * @param onList called with all who are online; when the others went offline is unknown
   */
  constructor(
    onChange: (userId: string, isOnline: boolean, lastSeen: string) => void,
    onList: (online: ReadonlySet<string>) => void = () => undefined,
  ) {
    this.#onChange = onChange
    this.#onList = onList
  }

  get online(): ReadonlySet<string> {
    return this.#online
  }

  /** Applies an event: a user came online or went offline. */
  set(userId: string, isOnline: boolean, lastSeen = new Date().toISOString()): void {
    for (const events of this.#meanwhile) events.set(userId, isOnline)
    if (isOnline) this.#online.add(userId)
    else this.#online.delete(userId)
    this.#onChange(userId, isOnline, lastSeen)
    this.store.invalidate()
  }

  /** Fetches the list of online users. Events received in the meantime take precedence over it. */
  async refresh(ask: () => Promise<readonly string[]>): Promise<void> {
    const events = new Map<string, boolean>()
    this.#meanwhile.add(events)
    const number = ++this.#requested
    try {
      const listed = new Set(await ask())
      // A list requested later arrived first.
      if (number < this.#applied) return
      this.#applied = number
      for (const [userId, isOnline] of events) {
        if (isOnline) listed.add(userId)
        else listed.delete(userId)
      }
      this.#online = listed
      this.#onList(listed)
      this.store.invalidate()
    } finally {
      this.#meanwhile.delete(events)
    }
  }
}
