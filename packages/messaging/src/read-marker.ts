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

/** What `messageRead` says, whether the mark moved or had been there already. */
type ReadReceipt = ServerEvents['messageRead']

const BATCH = 256
/** Between two looks at marks of which nobody knows whether they moved, in milliseconds. */
const DOUBT_MS = 1_000
/** Of more than this the oldest are let go of: a sync tells of them. */
const DOUBTS_MAX = 10_000

/** Moves read marks: those that come at the same time in one statement. A mark that moved is told to the conversation. */
export class ReadMarker {
  readonly #options: ReadMarkerOptions
  readonly #commit: GroupCommit<Entry, ReadReceipt>
  /**
   * Marks that were lost on the way to the database or on the way back, by what they ask for: they may have moved and nobody
   * was told. Whoever asked may have given up by now. They are asked for until the database answers, and told then.
   */
  readonly #doubts = new Map<string, Entry>()
  readonly #looks: WorkLoop

  constructor(options: ReadMarkerOptions) {
    this.#options = options
    this.#commit = new GroupCommit({
      run: (entries) => this.#mark(entries),
      maxBatch: BATCH,
      maxQueue: 10_000,
      deadlineMs: 2_000,
      onError: options.onError,
    })
    this.#looks = new WorkLoop({ round: () => this.#lookAtDoubts(), idleMs: DOUBT_MS, onError: options.onError })
    this.#looks.start(DOUBT_MS)
  }

  /** @throws {ParleyError} CONVERSATION_NOT_FOUND, MESSAGE_NOT_FOUND, OVERLOADED, UNAVAILABLE */
  read(reader: User, conversationId: string, messageId: string): Promise<ReadReceipt> {
    return this.#commit.submit({ reader, userId: reader.id, conversationId, messageId })
  }

  get measures(): CommitMeasures {
    return this.#commit.measures
  }

  /** Marks that have not been answered yet. */
  get waiting(): number {
    return this.#commit.waiting
  }

  /** Refuses what comes from now on and resolves when the rest is answered. What is in doubt then, a sync tells. */
  async close(): Promise<void> {
    await Promise.all([this.#commit.close(), this.#looks.stop()])
  }

  async #mark(entries: readonly Entry[]): Promise<(ReadReceipt | ParleyError)[]> {
    let rows: ReadRow[]
    try {
      rows = await markRead(this.#options.db.pool, entries)
    } catch (error) {
      if (isUnavailable(error)) this.#doubt(entries)
      throw error
    }
    const byOrd = new Map(rows.map((row) => [row.ord, row]))
    return entries.map((entry, index) => {
      const row = byOrd.get(index + 1)
      const wasInDoubt = this.#doubts.size > 0 && this.#doubts.delete(keyOf(entry))
      if (row === undefined) return new ParleyError('CONVERSATION_NOT_FOUND')
      if (row.seq === null) return new ParleyError('MESSAGE_NOT_FOUND')
      const receipt = receiptOf(entry, row, row.seq)
      if (row.advanced || wasInDoubt) this.#options.events.toConversation(entry.conversationId, 'messageRead', receipt)
      return receipt
    })
  }

  #doubt(entries: readonly Entry[]): void {
    for (const entry of entries) this.#doubts.set(keyOf(entry), entry)
    for (const key of this.#doubts.keys()) {
      if (this.#doubts.size <= DOUBTS_MAX) return
      this.#doubts.delete(key)
    }
  }

  /** @returns whether there are more to look at */
  async #lookAtDoubts(): Promise<boolean> {
    const entries = [...this.#doubts.values()].slice(0, BATCH)
    if (entries.length === 0) return false
    try {
      await this.#mark(entries)
    } catch (error) {
      if (isUnavailable(error)) return false
      for (const entry of entries) this.#doubts.delete(keyOf(entry))
      throw error
    }
    return this.#doubts.size > 0
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
