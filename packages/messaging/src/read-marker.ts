import { type Database, markRead, type ReadRequest, type ReadRow } from '@parley/db'
import { ParleyError, type ServerEvents, type User } from '@parley/protocol'
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
export type ReadReceipt = ServerEvents['messageRead']

/** Moves read marks: those that come at the same time in one statement. A mark that moved is told to the conversation. */
export class ReadMarker {
  readonly #options: ReadMarkerOptions
  readonly #commit: GroupCommit<Entry, ReadReceipt>

  constructor(options: ReadMarkerOptions) {
    this.#options = options
    this.#commit = new GroupCommit({
      run: (entries, _committed, again) => this.#mark(entries, again),
      maxBatch: 256,
      maxQueue: 10_000,
      deadlineMs: 2_000,
      onError: options.onError,
    })
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

  close(): Promise<void> {
    return this.#commit.close()
  }

  async #mark(entries: Entry[], again: boolean): Promise<(ReadReceipt | ParleyError)[]> {
    const rows = await markRead(this.#options.db.pool, entries)
    const byOrd = new Map(rows.map((row) => [row.ord, row]))
    return entries.map((entry, index) => {
      const row = byOrd.get(index + 1)
      if (row === undefined) return new ParleyError('CONVERSATION_NOT_FOUND')
      if (row.seq === null) return new ParleyError('MESSAGE_NOT_FOUND')
      const receipt = receiptOf(entry, row, row.seq)
      // Moved by the attempt before, perhaps, and not told of.
      if (row.advanced || again) this.#options.events.toConversation(entry.conversationId, 'messageRead', receipt)
      return receipt
    })
  }
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
