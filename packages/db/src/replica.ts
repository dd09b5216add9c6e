import { type Database, isTransient, type Queryable } from './pool.ts'
import { newestEpoch } from './queries/epochs.ts'

/** How long a failed replica is not used, in milliseconds. One read then tries it again. */
const RETRY_AFTER_MS = 3_000
/** Maximum age of what is known of the replica's epoch, in milliseconds. */
const EPOCH_MS = 1_000

/** Counts of reads since the start, by what answered them. */
export interface ReadCounts {
  /** The replica. */
  replica: number
  /** The primary, because the replica lagged too far behind, or follows another history. */
  behind: number
  /** The primary, because the replica had failed. */
  away: number
}

/** Runs reads that a replica of the database may answer. */
export interface Reads {
  /**
   * @param read runs again on the primary if the replica fails or is behind
   * @param isCurrent whether the replica's answer is recent enough; default: always
   */
  query<T>(read: (db: Queryable) => Promise<T>, isCurrent?: (found: T) => boolean): Promise<T>
}

/** The reads of a process without a replica. */
export function primaryReads(primary: Pick<Database, 'pool'>): Reads {
  return { query: (read) => read(primary.pool) }
}

export interface ReplicaReadsOptions {
  primary: Pick<Database, 'pool'>
  /** Its timeouts are what a read may lose by trying it first, so they should be short. */
  replica: Pick<Database, 'pool'>
  /**
   * Returns the newest epoch of the primary. A replica that lacks it may hold lost messages in place of others, and is not read. Not
   * checked if this is left out or rejects.
   */
  epoch?: () => Promise<string | undefined>
  /** Called each time the replica goes out of use. */
  onAway?: (error: unknown) => void
  /** Called when the replica is in use again. */
  onBack?: () => void
  /** Returns the time in milliseconds; for tests. */
  now?: () => number
}

/**
 * Reads from a replica while it works. The replica is optional: whatever is wrong with it (unreachable, unresponsive, without the
 * tables or functions of this version), the primary answers instead, and the replica is not used for some seconds.
 */
export class ReplicaReads implements Reads {
  readonly counts: ReadCounts = { replica: 0, behind: 0, away: 0 }
  readonly #options: ReplicaReadsOptions
  readonly #now: () => number
  /** When the next read may try the replica again; undefined while it is in use. */
  #retryAt: number | undefined
  #epoch: { found: Promise<string | undefined>; at: number } | undefined

  constructor(options: ReplicaReadsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  async query<T>(read: (db: Queryable) => Promise<T>, isCurrent?: (found: T) => boolean): Promise<T> {
    const { primary, replica } = this.#options
    if (!this.#mayTry()) {
      this.counts.away++
      return read(primary.pool)
    }
    let found: T
    try {
      if (!(await this.#followsPrimary())) {
        this.counts.behind++
        return read(primary.pool)
      }
      found = await read(replica.pool)
    } catch (error) {
      this.counts.away++
      this.#failed(error)
      return read(primary.pool)
    }
    this.#served()
    if (isCurrent === undefined || isCurrent(found)) {
      this.counts.replica++
      return found
    }
    this.counts.behind++
    return read(primary.pool)
  }

  async #followsPrimary(): Promise<boolean> {
    const wanted = await this.#options.epoch?.().catch(() => undefined)
    return wanted === undefined || wanted === (await this.#replicaEpoch())
  }

  #replicaEpoch(): Promise<string | undefined> {
    const now = this.#now()
    if (this.#epoch === undefined || now - this.#epoch.at >= EPOCH_MS) {
      const found = newestEpoch(this.#options.replica.pool)
      this.#epoch = { found, at: now }
      found.catch(() => {
        this.#epoch = undefined
      })
    }
    return this.#epoch.found
  }

  /** After a failure, lets one read at a time try the replica; the others do not wait for the outcome. */
  #mayTry(): boolean {
    if (this.#retryAt === undefined) return true
    const now = this.#now()
    if (now < this.#retryAt) return false
    this.#retryAt = now + RETRY_AFTER_MS
    return true
  }

  #failed(error: unknown): void {
    // The read conflicted with changes that the replica had to replay (SQLSTATE 40001): the replica itself is fine.
    if (isTransient(error)) return
    const { onAway } = this.#options
    if (this.#retryAt === undefined) onAway?.(error)
    this.#retryAt = this.#now() + RETRY_AFTER_MS
  }

  /** Also runs for reads that began before the failure: their success shows just as well that the replica works. */
  #served(): void {
    if (this.#retryAt === undefined) return
    this.#retryAt = undefined
    this.#options.onBack?.()
  }
}
