import { randomUUIDv7 } from 'node:crypto'
import { appendMessages, type Database, findMessages, listReadMarks, type NewMessage } from '@parley/db'
import { type Message, ParleyError, type PostMessage, type User } from '@parley/protocol'
import { GroupCommit } from './group-commit.ts'
import type { Events, Ledger } from './ports.ts'
import { presentMessage, presentNewMessage } from './present.ts'

export interface MessageWriterOptions {
  db: Database
  events: Pick<Events, 'message'>
  ledger: Ledger
  onError: (error: unknown) => void
  /** Batches under way at once, each on a connection of its own. */
  lanes?: number
  maxBatch?: number
  maxQueue?: number
  deadlineMs?: number
}

export interface Draft extends PostMessage {
  conversationId: string
  sender: User
}

interface Entry {
  message: NewMessage
  sender: User
}

/**
 * Stores messages: the one way into the table for everything that people send. What is sent at the same time is stored
 * in one statement (append_messages) and one commit; after that each message is published, and then its sender is
 * answered. Answered means durable.
 */
export class MessageWriter {
  readonly #options: MessageWriterOptions
  readonly #commit: GroupCommit<Entry, Message>
  /** By (conversation, sender, clientMessageId): the same message sent again meanwhile waits for the first. */
  readonly #pending = new Map<string, Promise<Message>>()

  constructor(options: MessageWriterOptions) {
    this.#options = options
    this.#commit = new GroupCommit({
      run: (entries) => this.#store(entries),
      keyOf: ({ message }) => message.conversationId,
      lanes: options.lanes ?? 2,
      maxBatch: options.maxBatch ?? 256,
      maxQueue: options.maxQueue ?? 10_000,
      deadlineMs: options.deadlineMs ?? 2_000,
      onError: options.onError,
    })
  }

  /**
   * @returns the message as stored; the one of before if this `clientMessageId` was sent already
   * @throws {ParleyError} CONVERSATION_NOT_FOUND where the sender is not a member, OVERLOADED, UNAVAILABLE. After either
   * of the last two the message may have been stored; sending it again with the same `clientMessageId` is safe.
   */
  send(draft: Draft): Promise<Message> {
    const id = randomUUIDv7()
    const clientMessageId = draft.clientMessageId ?? id
    const key = JSON.stringify([draft.conversationId, draft.sender.id, clientMessageId])
    const pending = this.#pending.get(key)
    if (pending !== undefined) return pending
    const { conversationId, content, type, sender } = draft
    const message = {
      id,
      conversationId,
      senderId: sender.id,
      clientMessageId,
      content,
      type,
      attachments: [],
      system: null,
    }
    const sent = this.#commit.submit({ message, sender }).finally(() => this.#pending.delete(key))
    this.#pending.set(key, sent)
    return sent
  }

  /** Refuses what comes from now on and resolves when everything accepted has been answered. */
  close(): Promise<void> {
    return this.#commit.close()
  }

  #store(entries: Entry[]): Promise<(Message | ParleyError)[]> {
    const { db, ledger, events } = this.#options
    return ledger.cover(async (origin, batch) => {
      const rows = await appendMessages(
        db.pool,
        entries.map(({ message }) => message),
        origin,
        batch,
      )
      const results: (Message | ParleyError | undefined)[] = new Array(entries.length)
      const known: { index: number; conversationId: string; seq: number }[] = []
      for (const row of rows) {
        const index = row.ord - 1
        const entry = entries[index]
        if (entry === undefined) continue
        if (row.fresh) {
          const message = presentNewMessage(entry.message, row, entry.sender)
          results[index] = message
          events.message(message)
        } else {
          known.push({ index, conversationId: entry.message.conversationId, seq: row.seq })
        }
      }
      if (known.length > 0) await this.#fillKnown(known, results)
      return Array.from(results, (result) => result ?? new ParleyError('CONVERSATION_NOT_FOUND'))
    })
  }

  /** Messages that had been stored before are answered as they are now. */
  async #fillKnown(
    known: readonly { index: number; conversationId: string; seq: number }[],
    results: (Message | ParleyError | undefined)[],
  ): Promise<void> {
    const { pool } = this.#options.db
    const rows = await findMessages(pool, known)
    const marks = await listReadMarks(
      pool,
      known.map(({ conversationId, seq }) => ({ conversationId, fromSeq: seq })),
    )
    const byKey = new Map(rows.map((row) => [`${row.conversation_id} ${row.seq}`, row]))
    for (const { index, conversationId, seq } of known) {
      const row = byKey.get(`${conversationId} ${seq}`)
      results[index] = row === undefined ? new ParleyError('MESSAGE_NOT_FOUND') : presentMessage(row, marks)
    }
  }
}
