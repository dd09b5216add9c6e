import { type Database, isUnavailable, markRead, type ReadRequest, type ReadRow } from '@parley/db'
import { ParleyError, type ServerEvents, type User } from '@parley/protocol'
import { WorkLoop } from '@parley/runtime/work-loop'
import { type CommitMeasures, GroupCommit } from './group-commit.ts'
import type { Events } from './ports.ts'

export interface ReadMarkerOptions {
  db: Database
  events: Pick<Events, 'toConversation'>
  onError: (error: unknown) => void
}

interface Entry extends ReadRequest {
  reader: User
}

/** The payload of `messageRead`, whether the mark moved or was there already. */
type ReadReceipt = ServerEvents['messageRead']

const BATCH = 256
/** Interval between retries of marks with an unknown outcome, in milliseconds. */
const RETRY_MS = 1_000
/** Maximum number of marks with an unknown outcome; beyond it the oldest are dropped, and a sync will bring them. */
const UNCERTAIN_MAX = 10_000

/** Moves read marks: those that arrive at the same time in one statement. A mark that moved is published. */
export class ReadMarker {
  readonly #options: ReadMarkerOptions
  readonly #commit: GroupCommit<Entry, ReadReceipt>
  /**
   * Marks whose statement or answer was lost: they may have moved without being published, and their readers may have given
   * up. They are retried until the database answers, and then published.
   */
  readonly #uncertain = new Map<string, Entry>()
  readonly #retries: WorkLoop

  constructor(options: ReadMarkerOptions) {
    this.#options = options
    this.#commit = new GroupCommit({
      run: (entries) => this.#mark(entries),
      maxBatch: BATCH,
      maxQueue: 10_000,
      deadlineMs: 2_000,
      onError: options.onError,
    })
    this.#retries = new WorkLoop({ round: () => this.#retryUncertain(), idleMs: RETRY_MS, onError: options.onError })
    this.#retries.start(RETRY_MS)
  }

  /**
   * Marks everything up to a message as read.
   * @throws {ParleyError} CONVERSATION_NOT_FOUND, MESSAGE_NOT_FOUND, OVERLOADED, UNAVAILABLE
   */
  read(reader: User, conversationId: string, messageId: string): Promise<ReadReceipt> {
    return this.#commit.submit({ reader, userId: reader.id, conversationId, messageId })
  }

  get measures(): CommitMeasures {
    return this.#commit.measures
  }

  /** Number of marks that have not been answered yet. */
  get waiting(): number {
    return this.#commit.waiting
  }

  /** Refuses new marks and resolves when all accepted ones are answered. A sync will bring those still uncertain then. */
  async close(): Promise<void> {
    await Promise.all([this.#commit.close(), this.#retries.stop()])
  }

  async #mark(entries: readonly Entry[]): Promise<(ReadReceipt | ParleyError)[]> {
    let rows: ReadRow[]
    try {
      rows = await markRead(this.#options.db.pool, entries)
    } catch (error) {
      if (isUnavailable(error)) this.#keepUncertain(entries)
      throw error
    }
    const byOrd = new Map(rows.map((row) => [row.ord, row]))
    return entries.map((entry, index) => {
      const row = byOrd.get(index + 1)
      const wasUncertain = this.#uncertain.size > 0 && this.#uncertain.delete(keyOf(entry))
      if (row === undefined) return new ParleyError('CONVERSATION_NOT_FOUND')
      if (row.seq === null) return new ParleyError('MESSAGE_NOT_FOUND')
      const receipt = receiptOf(entry, row, row.seq)
      if (row.advanced || wasUncertain)
        this.#options.events.toConversation(entry.conversationId, 'messageRead', receipt)
      return receipt
    })
  }

  #keepUncertain(entries: readonly Entry[]): void {
    for (const entry of entries) this.#uncertain.set(keyOf(entry), entry)
    for (const key of this.#uncertain.keys()) {
      if (this.#uncertain.size <= UNCERTAIN_MAX) return
      this.#uncertain.delete(key)
    }
  }

  /** @returns whether more are left to retry now */
  async #retryUncertain(): Promise<boolean> {
    const entries = [...this.#uncertain.values()].slice(0, BATCH)
    if (entries.length === 0) return false
    try {
      await this.#mark(entries)
    } catch (error) {
      if (isUnavailable(error)) return false
      for (const entry of entries) this.#uncertain.delete(keyOf(entry))
      throw error
    }
    return this.#uncertain.size > 0
  }
}

function keyOf({ conversationId, userId, messageId }: Entry): string {
  return `${conversationId} ${messageId} ${userId}`
}

function receiptOf(entry: Entry, row: ReadRow, seq: number): ReadReceipt {
  const { conversationId, messageId, reader } = entry
  return {
    conversationId,
    messageId,
    seq,
    userId: reader.id,
    userName: reader.fullName,
    readAt: row.read_at,
    rev: row.rev,
  }
}
