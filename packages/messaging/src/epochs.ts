import { type Database, type EpochRow, knownEpochs } from '@parley/db'
import { WorkLoop } from '@parley/runtime/work-loop'

/** Interval between two queries, in milliseconds. */
const LOOK_MS = 1_000
/** Epochs that a name lists: it has to show where two histories parted. */
const NAMED = 4

/** Where two histories of the database parted. */
export interface Parting {
  /** Everything committed by then belongs to both (an RFC 3339 instant); null if not known. */
  at: string | null
}

/** The history that the database follows. */
export class DatabaseHistory {
  readonly #rows: readonly EpochRow[]
  /** Its name, opaque to clients: its latest epochs, the newest first. */
  readonly name: string

  /** @param rows the latest epochs, the newest first */
  constructor(rows: readonly EpochRow[]) {
    this.#rows = rows
    this.name = rows
      .slice(0, NAMED)
      .map(({ id }) => id)
      .join('.')
  }

  /** The current epoch; undefined if none is known. */
  get newest(): string | undefined {
    return this.#rows[0]?.id
  }

  /** Returns where this history parted from the named one; undefined if it contains everything of that one. */
  partingFrom(name: string): Parting | undefined {
    const rows = this.#rows
    const named = name.split('.')
    const isNamed = new Set(named)
    const shared = rows.findIndex(({ id }) => isNamed.has(id))
    const row = rows[shared]
    if (row === undefined) return { at: null }
    const since = rows.slice(0, shared)
    // The last epochs of the named history are not in this one: it continued differently from there.
    if (row.id !== named[0]) return { at: since.at(-1)?.began_at ?? null }
    const lossy = since.findLast((epoch) => epoch.lossy)
    return lossy && { at: lossy.began_at }
  }
}

export interface EpochsOptions {
  db: Pick<Database, 'pool'>
  /** Called when what this process knows of the database may belong to a history that has ended. */
  onParted: () => void
  onError: (error: unknown) => void
}

/**
 * Checks every second which history the database follows. After a restore, a point-in-time recovery, or a failover to a standby
 * that lagged behind, known seqs and revs belong to other messages and changes.
 */
export class Epochs {
  readonly #options: EpochsOptions
  readonly #loop: WorkLoop
  #current: DatabaseHistory | undefined
  #lookedAt = Number.NEGATIVE_INFINITY
  #looking: Promise<DatabaseHistory> | undefined

  constructor(options: EpochsOptions) {
    this.#options = options
    const round = () => this.#lookOnce().then(() => false)
    this.#loop = new WorkLoop({ round, idleMs: LOOK_MS, onError: options.onError })
  }

  /** Call before anything is stored: the first query after the restore of a dump begins the new history. @throws as {@link current} */
  async start(): Promise<void> {
    await this.#lookOnce()
    this.#loop.start(LOOK_MS)
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Returns the history, at most a second or two old. @throws if the database does not answer */
  async current(): Promise<DatabaseHistory> {
    if (this.#current !== undefined && performance.now() - this.#lookedAt < 2 * LOOK_MS) return this.#current
    return this.#lookOnce()
  }

  /** Runs one statement at a time, shared by all callers. */
  #lookOnce(): Promise<DatabaseHistory> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(): Promise<DatabaseHistory> {
    const asked = performance.now()
    const found = new DatabaseHistory(await knownEpochs(this.#options.db.pool))
    const before = this.#current
    this.#current = found
    this.#lookedAt = asked
    if (before !== undefined && found.partingFrom(before.name) !== undefined) this.#options.onParted()
    return found
  }
}
