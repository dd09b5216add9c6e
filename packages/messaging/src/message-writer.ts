import { randomUUIDv7 } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type AppendedRow,
  appendMessages,
  type Database,
  findMessages,
  listReadMarks,
  type NewMessage,
} from '@parley/db'
import { type Message, ParleyError, type PostMessage, type StoredAttachment, type User } from '@parley/protocol'
import type { Span, TraceParent, Tracer } from '@parley/runtime'
import { ackBeforeCommit } from './ack-before-commit.ts'
import { checkClaim, messageTypeOf, refuseClaim } from './attachments.ts'
import { toParleyError } from './errors.ts'
import { type CommitMeasures, GroupCommit } from './group-commit.ts'
import type { AttachmentStore, Events, Ledger } from './ports.ts'
import { presentMessage, presentNewMessage } from './present.ts'
import { Turns } from './turns.ts'

export interface MessageWriterOptions {
  db: Database
  events: Pick<Events, 'message' | 'messages'>
  ledger: Ledger
  store: AttachmentStore
  onError: (error: unknown) => void
  /** Omitted if tracing is off. */
  tracer?: Tracer | undefined
  /** For tests only; see {@link ackBeforeCommit}. */
  ackBeforeCommit?: boolean
}

export interface Draft extends PostMessage {
  conversationId: string
  sender: User
  /** The files of `attachments`, if they came in the same request as the message and were checked on arrival. */
  checked?: readonly StoredAttachment[]
  /** The trace of the request or event that carried the message, if it is traced. */
  trace?: TraceParent | undefined
}

interface Entry {
  message: NewMessage
  sender: User
  /** Spans the time from arrival to answer, if the message is traced. */
  span: Span | undefined
}

/** Its effect on the cost and the latency of a message is in docs/PERFORMANCE.md. */
const MAX_PAUSE_MS = 20

/**
 * Stores messages: everything that users send goes through here. Messages sent at the same time are stored by one statement
 * and one commit. After that each message is published, and then its sender gets the answer. Answered means durable.
 */
export class MessageWriter {
  readonly #options: MessageWriterOptions
  readonly #commit: GroupCommit<Entry, Message>
  /** By (conversation, sender, clientMessageId): a duplicate sent meanwhile shares the result of the first. */
  readonly #pending = new Map<string, Promise<Message>>()
  /** By (conversation, sender): keeps a sender's messages in order while the files of one are being checked. */
  readonly #turns = new Turns()

  constructor(options: MessageWriterOptions) {
    this.#options = options
    this.#commit = new GroupCommit({
      run: (entries, committed) => this.#store(entries, committed),
      maxBatch: 256,
      maxQueue: 10_000,
      maxPauseMs: MAX_PAUSE_MS,
      deadlineMs: 2_000,
      onError: options.onError,
    })
  }

  /**
   * Stores and publishes a message.
   * @returns the message as stored; the earlier one if this `clientMessageId` was sent before
   * @throws {ParleyError} CONVERSATION_NOT_FOUND if the sender is not a member, OVERLOADED, UNAVAILABLE. After either of
   * the last two the message may have been stored; sending it again with the same `clientMessageId` is safe. With
   * attachments also what {@link checkClaim} and {@link messageTypeOf} throw.
   */
  send(draft: Draft): Promise<Message> {
    const id = randomUUIDv7()
    const { clientMessageId } = draft
    // Without an id there is nothing to recognise a duplicate by.
    if (clientMessageId == null) return this.#submit(draft, id, null)
    const key = JSON.stringify([draft.conversationId, draft.sender.id, clientMessageId])
    const pending = this.#pending.get(key)
    if (pending !== undefined) return pending
    const sent = this.#submit(draft, id, clientMessageId).finally(() => this.#pending.delete(key))
    this.#pending.set(key, sent)
    return sent
  }

  #submit(draft: Draft, id: string, clientMessageId: string | null): Promise<Message> {
    const turn = draft.conversationId + draft.sender.id
    if (draft.attachments.length === 0 && !this.#turns.areWaiting(turn))
      return this.#enter(draft, id, clientMessageId, [])
    return this.#turns.take(turn, this.#filesOf(draft), (files) => this.#enter(draft, id, clientMessageId, files))
  }

  #enter(draft: Draft, id: string, clientMessageId: string | null, attachments: StoredAttachment[]): Promise<Message> {
    const { conversationId, content, sender } = draft
    const type = messageTypeOf(draft.type, attachments)
    const span =
      draft.trace === undefined ? undefined : this.#options.tracer?.start('store message', { parent: draft.trace })
    const message = {
      id,
      conversationId,
      senderId: sender.id,
      clientMessageId,
      content,
      type,
      attachments,
      system: null,
    }
    const entry = { message, sender, span }
    const stored = this.#commit.submit(entry)
    if (span !== undefined)
      stored.then(
        () => span.end(),
        (error) => span.end(error),
      )
    return this.#options.ackBeforeCommit ? ackBeforeCommit(stored, entry, this.#options.store) : stored
  }

  async #filesOf(draft: Draft): Promise<StoredAttachment[]> {
    const { conversationId, clientMessageId, attachments, sender, checked } = draft
    if (checked !== undefined) return [...checked]
    if (attachments.length === 0) return []
    const { db, store } = this.#options
    try {
      return await checkClaim(db, store, { conversationId, clientMessageId, attachments, senderId: sender.id })
    } catch (error) {
      throw toParleyError(error)
    }
  }

  get measures(): CommitMeasures {
    return this.#commit.measures
  }

  /** Number of messages that have not been answered yet. */
  get waiting(): number {
    return this.#commit.waiting
  }

  /** Refuses new messages and resolves when all accepted ones have been answered. */
  close(): Promise<void> {
    return this.#commit.close()
  }

  #store(entries: Entry[], committed: () => void): Promise<(Message | ParleyError)[]> {
    const { db, ledger, store } = this.#options
    return ledger.cover(async (origin, batch, publishing) => {
      const rows = await this.#append(db, entries, origin, batch)
      committed()
      // Send the next batch to Postgres before delivering this one, so that both proceed at the same time.
      await nextTurn()
      const results: (Message | ParleyError | undefined)[] = new Array(entries.length)
      const fresh: Message[] = []
      const known: { index: number; conversationId: string; seq: number }[] = []
      // Rows come in batch order, which is seq order within each conversation.
      for (const row of rows) {
        const index = row.ord - 1
        const entry = entries[index]
        if (entry === undefined) continue
        if (row.fresh) {
          const message = presentNewMessage(entry.message, row, entry.sender, store)
          results[index] = message
          fresh.push(message)
        } else {
          known.push({ index, conversationId: entry.message.conversationId, seq: row.seq })
        }
      }
      publishing(this.#publish(fresh, entries))
      if (known.length > 0) await this.#fillKnown(known, results)
      return results.includes(undefined) ? this.#explain(entries, results) : (results as (Message | ParleyError)[])
    })
  }

  /** Fills in the reason for each message that was not stored. */
  #explain(
    entries: readonly Entry[],
    results: readonly (Message | ParleyError | undefined)[],
  ): Promise<(Message | ParleyError)[]> {
    return Promise.all(entries.map((entry, index) => results[index] ?? this.#refusal(entry)))
  }

  /** Stores a batch with one statement. Its span and those of traced messages link to each other; the outbox keeps them. */
  async #append({ pool }: Database, entries: Entry[], origin: string, batch: number): Promise<AppendedRow[]> {
    const messages = entries.map(messageOf)
    const traced = this.#options.tracer === undefined ? [] : entries.filter(isTraced)
    if (traced.length === 0) return appendMessages(pool, messages, origin, batch)
    const traces = Object.fromEntries(traced.map(({ message, span }) => [message.id, span?.traceparent ?? '']))
    const span = this.#options.tracer?.start('commit batch', {
      links: Object.values(traces),
      attributes: { 'parley.batch.messages': entries.length },
    })
    if (span !== undefined) for (const entry of traced) entry.span?.link(span.traceparent)
    try {
      const rows = await appendMessages(pool, messages, origin, batch, traces)
      span?.end()
      return rows
    } catch (error) {
      span?.end(error)
      throw error
    }
  }

  /** Publishes messages together, or one by one if any is traced, as each then carries its own trace. */
  async #publish(messages: readonly Message[], entries: readonly Entry[]): Promise<boolean> {
    if (!entries.some(isTraced)) return this.#options.events.messages(messages)
    const spans = new Map(entries.map(({ message, span }) => [message.id, span]))
    const taken = await Promise.all(messages.map((message) => this.#publishTraced(message, spans.get(message.id))))
    return !taken.includes(false)
  }

  #publishTraced(message: Message, parent: Span | undefined): Promise<boolean> {
    const { events, tracer } = this.#options
    if (parent === undefined) return events.message(message)
    const span = tracer?.start('publish message', { kind: 'producer', parent: parent.traceparent })
    const taken = events.message(message, undefined, span?.traceparent)
    void taken.then((ok) => span?.end(ok ? undefined : 'not published'))
    return taken
  }

  /** Why a message was not stored: the sender is not a member, or its attachments were claimed by another message meanwhile. */
  async #refusal({ message }: Entry): Promise<ParleyError> {
    if (message.attachments.length === 0) return new ParleyError('CONVERSATION_NOT_FOUND')
    return refuseClaim(this.#options.db, message.conversationId, message.senderId).catch(toParleyError)
  }

  /** Fills in messages that had been stored before, in their current state. */
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
      results[index] =
        row === undefined ? new ParleyError('MESSAGE_NOT_FOUND') : presentMessage(row, marks, this.#options.store)
    }
  }
}

function messageOf({ message }: Entry): NewMessage {
  return message
}

function isTraced({ span }: Entry): boolean {
  return span !== undefined
}
