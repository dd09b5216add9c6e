import { LazyStore } from './store.ts'

/** Who is online among the people one shares conversations with. */
export class Presence {
  readonly #onChange: (userId: string, isOnline: boolean, lastSeen: string) => void
  readonly #onList: (online: ReadonlySet<string>) => void
  #online = new Set<string>()
  /** What was told while a list is on its way; one for each that is. */
  readonly #told = new Set<Map<string, boolean>>()
  /** Numbers of the last list that was asked for, and of the last that was taken. */
  #asked = 0
  #taken = 0
  /** Ids of those who are online. */
  readonly store = new LazyStore<ReadonlySet<string>>(() => new Set(this.#online))

  /**
   * @param onChange somebody came or went just now
   * @param onList these are online, and nobody else; when others went nobody has said
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

  /** Somebody came or went. */
  set(userId: string, isOnline: boolean, lastSeen = new Date().toISOString()): void {
    for (const told of this.#told) told.set(userId, isOnline)
    if (isOnline) this.#online.add(userId)
    else this.#online.delete(userId)
    this.#onChange(userId, isOnline, lastSeen)
    this.store.invalidate()
  }

  /** Fetches the list of those who are online. What is told of a person meanwhile is newer than the list. */
  async refresh(ask: () => Promise<readonly string[]>): Promise<void> {
    const told = new Map<string, boolean>()
    this.#told.add(told)
    const no = ++this.#asked
    try {
      const listed = new Set(await ask())
      // A list that was asked for later came first.
      if (no < this.#taken) return
      this.#taken = no
      for (const [userId, isOnline] of told) {
        if (isOnline) listed.add(userId)
        else listed.delete(userId)
      }
      this.#online = listed
      this.#onList(listed)
      this.store.invalidate()
    } finally {
      this.#told.delete(told)
    }
  }
}
