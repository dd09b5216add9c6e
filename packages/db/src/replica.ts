import { type Database, isTransient, type Queryable } from './pool.ts'

/** How long a replica that failed is left alone, in milliseconds. One read then tries it again. */
const LEFT_ALONE_MS = 3_000

/** Where answers came from, counted since the start. */
export interface ReadCounts {
  /** The replica. */
  replica: number
  /** The primary, because the replica had not got as far as it should have. */
  behind: number
  /** The primary, because the replica failed or was left alone. */
  away: number
}

/** Runs reads that may be answered by a copy of the database. */
export interface Reads {
  /**
   * @param read is run once more on the primary where the replica does not answer, or not well
   * @param isCurrent whether what the replica answered is as new as it has to be. Default: it always is
   */
  query<T>(read: (db: Queryable) => Promise<T>, isCurrent?: (found: T) => boolean): Promise<T>
}

/** Reads of a process that has no replica. */
export function primaryReads(primary: Pick<Database, 'pool'>): Reads {
  return { query: (read) => read(primary.pool) }
}

export interface ReplicaReadsOptions {
  primary: Pick<Database, 'pool'>
  /** Its limits on time are what a read may lose by it: they are to be short. */
  replica: Pick<Database, 'pool'>
  /** Told once each time that the replica begins to be left alone. */
  onAway?: (error: unknown) => void
  /** Told when it is in use again. */
  onBack?: () => void
  /** The time in milliseconds; for tests. */
  now?: () => number
}

/**
 * Reads from a replica as long as it serves. It is an extra: whatever is wrong with it (away, silent, without the tables
 * or functions of this version), the primary answers in its place, and the replica is left alone for some seconds.
 */
export class ReplicaReads implements Reads {
  readonly counts: ReadCounts = { replica: 0, behind: 0, away: 0 }
  readonly #options: ReplicaReadsOptions
  readonly #now: () => number
  /** While it is left alone: when the next read may try it. */
  #retryAt: number | undefined

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

  /** One read at a time tries a replica that failed; the others do not wait for what it finds out. */
  #mayTry(): boolean {
    if (this.#retryAt === undefined) return true
    const now = this.#now()
    if (now < this.#retryAt) return false
    this.#retryAt = now + LEFT_ALONE_MS
    return true
  }

  #failed(error: unknown): void {
    // A read that stood in the way of what the replica had to replay (SQLSTATE 40001): nothing is wrong with it.
    if (isTransient(error)) return
    const { onAway } = this.#options
    if (this.#retryAt === undefined) onAway?.(error)
    this.#retryAt = this.#now() + LEFT_ALONE_MS
  }

  /** Answers of reads that began before it failed come in as well: they are as good a sign as any. */
  #served(): void {
    if (this.#retryAt === undefined) return
    this.#retryAt = undefined
    this.#options.onBack?.()
  }
}
