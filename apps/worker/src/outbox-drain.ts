import {
  type Database,
  deleteOutbox,
  findMessages,
  listReadMarks,
  type MessageKey,
  type OutboxRow,
  type ReadMarkRow,
  takeOutbox,
  transaction,
} from '@parley/db'
import { readWatermarks } from '@parley/fanout'
import { type AttachmentLinks, type Events, presentMessage } from '@parley/messaging'
import type { Message } from '@parley/protocol'
import type { RedisClient } from '@parley/redis'

/**
 * One kind of work that every stored message is due; `readBy` names the sender only. A step that rejects leaves the rows for another round, so it has to
 * stand being run twice for the same message.
 */
export interface OutboxStep {
  readonly name: string
  run(messages: readonly Message[]): Promise<void>
}

export interface OutboxDrainOptions {
  db: Database
  redis: RedisClient
  events: Pick<Events, 'messages'>
  links: AttachmentLinks
  /** Run one after the other for all messages of a round. */
  steps: readonly OutboxStep[]
  onError: (error: unknown) => void
  /** Rows (batches of messages) taken at once. */
  maxRows?: number
  /** Pause after a round that found nothing, in milliseconds. */
  idleMs?: number
}

/**
 * Works through the outbox: each batch of messages that was stored comes by here once, whatever happens to the process
 * that stored it. Several workers share it; a row is held by one at a time and deleted in the transaction that holds it.
 */
export class OutboxDrain {
  readonly #options: Required<OutboxDrainOptions>
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: OutboxDrainOptions) {
    this.#options = { maxRows: 50, idleMs: 250, ...options }
  }

  start(): void {
    this.#next(0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#round
  }

  #next(delayMs: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#round = this.drainOnce().then(
        (taken) => this.#next(taken === this.#options.maxRows ? 0 : this.#options.idleMs),
        (error) => {
          this.#options.onError(error)
          this.#next(4 * this.#options.idleMs)
        },
      )
    }, delayMs)
  }

  /** One round. @returns how many rows were worked on */
  async drainOnce(): Promise<number> {
    const { db, redis, links, maxRows, steps } = this.#options
    const alive = await readWatermarks(redis)
    const living = new Set(alive.map(({ origin }) => origin))
    return transaction(db, async (tx) => {
      const rows = await takeOutbox(tx, alive, maxRows)
      if (rows.length === 0) return 0
      await this.#publishAgain(rows.filter(({ origin }) => !living.has(origin)))
      if (steps.length > 0) {
        const messages = await loadMessages(db, links, rows, [])
        for (const step of steps) await step.run(messages)
      }
      await deleteOutbox(
        tx,
        rows.map(({ id }) => id),
      )
      return rows.length
    })
  }

  /** What stored these is dead and may not have published them. Whoever has a message already knows it by its seq. */
  async #publishAgain(rows: readonly OutboxRow[]): Promise<void> {
    if (rows.length === 0) return
    const { db, links } = this.#options
    const messages = await loadMessages(db, links, rows, await readMarksOf(db, rows))
    if (!(await this.#options.events.messages(messages)))
      throw new Error('Redis did not take what had to be published again')
  }
}

/**
 * The messages of these rows, by conversation and seq.
 * @param marks for `readBy`; without them it names the sender only
 */
async function loadMessages(
  db: Database,
  links: AttachmentLinks,
  rows: readonly OutboxRow[],
  marks: readonly ReadMarkRow[],
): Promise<Message[]> {
  const messages = await findMessages(db.pool, rows.flatMap(keysOf))
  return messages
    .map((row) => presentMessage(row, marks, links))
    .sort((a, b) =>
      a.conversationId === b.conversationId ? a.seq - b.seq : a.conversationId < b.conversationId ? -1 : 1,
    )
}

function readMarksOf(db: Database, rows: readonly OutboxRow[]): Promise<ReadMarkRow[]> {
  const first = new Map<string, number>()
  for (const { conversationId, seq } of rows.flatMap(keysOf)) {
    first.set(conversationId, Math.min(seq, first.get(conversationId) ?? seq))
  }
  return listReadMarks(
    db.pool,
    [...first].map(([conversationId, fromSeq]) => ({ conversationId, fromSeq })),
  )
}

function keysOf(row: OutboxRow): MessageKey[] {
  return row.conversation_ids.map((conversationId, index) => ({ conversationId, seq: row.seqs[index] ?? 0 }))
}
