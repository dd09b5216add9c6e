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
import { Distribution, LATENCY_SECONDS, type Span, type TraceParent, type Tracer } from '@parley/runtime'
import { DrainLoop } from './drain-loop.ts'

/**
 * One kind of work that every stored message is due; `readBy` names the sender only. A step that rejects leaves the rows for another round, so it has to
 * stand being run twice for the same message.
 */
export interface OutboxStep {
  readonly name: string
  /** @param traces of messages by their ids, where they are traced */
  run(messages: readonly Message[], traces: ReadonlyMap<string, TraceParent>): Promise<void>
}

export interface OutboxDrainOptions {
  db: Database
  redis: RedisClient
  events: Pick<Events, 'messages'>
  links: AttachmentLinks
  /** Run one after the other for all messages of a round. */
  steps: readonly OutboxStep[]
  onError: (error: unknown) => void
  /** Left out where nothing is traced. */
  tracer?: Tracer | undefined
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
  readonly #options: Required<Omit<OutboxDrainOptions, 'tracer'>> & Pick<OutboxDrainOptions, 'tracer'>
  /** What this worker has done: batches, the messages in them, batches published again, rounds in seconds. */
  readonly measures = {
    rows: 0,
    messages: 0,
    republished: 0,
    failures: 0,
    rounds: new Distribution(LATENCY_SECONDS),
  }
  readonly #loop: DrainLoop

  constructor(options: OutboxDrainOptions) {
    this.#options = { maxRows: 50, idleMs: 250, ...options }
    const { maxRows, idleMs, onError } = this.#options
    this.#loop = new DrainLoop({
      idleMs,
      round: async () => (await this.drainOnce()) === maxRows,
      onError: (error) => {
        this.measures.failures++
        onError(error)
      },
    })
  }

  start(): void {
    this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** One round. @returns how many rows were worked on */
  async drainOnce(): Promise<number> {
    const { db, redis, links, maxRows, steps } = this.#options
    const alive = await readWatermarks(redis)
    const living = new Set(alive.map(({ origin }) => origin))
    const began = performance.now()
    const taken = await transaction(db, async (tx) => {
      const rows = await takeOutbox(tx, alive, maxRows)
      if (rows.length === 0) return 0
      await this.#publishAgain(rows.filter(({ origin }) => !living.has(origin)))
      if (steps.length > 0) {
        const messages = await loadMessages(db, links, rows, [])
        await this.#traced(rows, messages, async (traces) => {
          for (const step of steps) await step.run(messages, traces)
        })
        this.measures.messages += messages.length
      }
      await deleteOutbox(
        tx,
        rows.map(({ id }) => id),
      )
      return rows.length
    })
    if (taken > 0) this.measures.rounds.observe((performance.now() - began) / 1_000)
    this.measures.rows += taken
    return taken
  }

  /** Runs `work` in a span for each traced message, all linked to one for the round. */
  async #traced(
    rows: readonly OutboxRow[],
    messages: readonly Message[],
    work: (traces: ReadonlyMap<string, TraceParent>) => Promise<void>,
  ): Promise<void> {
    const { tracer } = this.#options
    const parents = new Map(tracer === undefined ? [] : rows.flatMap(({ traces }) => Object.entries(traces ?? {})))
    if (tracer === undefined || parents.size === 0) return work(new Map())
    const spans = new Map<string, Span>()
    for (const { id } of messages) {
      const parent = parents.get(id)
      const span = parent === undefined ? undefined : tracer.start('process message', { kind: 'consumer', parent })
      if (span !== undefined) spans.set(id, span)
    }
    const traces = new Map([...spans].map(([id, { traceparent }]) => [id, traceparent]))
    const attributes = { 'parley.batch.messages': messages.length }
    const round = tracer.start('drain outbox', { links: [...traces.values()], attributes })
    if (round !== undefined) for (const span of spans.values()) span.link(round.traceparent)
    let failed: unknown
    try {
      await work(traces)
    } catch (error) {
      failed = error
      throw error
    } finally {
      for (const span of [...spans.values(), round]) span?.end(failed)
    }
  }

  /** What stored these is dead and may not have published them. Whoever has a message already knows it by its seq. */
  async #publishAgain(rows: readonly OutboxRow[]): Promise<void> {
    if (rows.length === 0) return
    const { db, links } = this.#options
    const messages = await loadMessages(db, links, rows, await readMarksOf(db, rows))
    if (!(await this.#options.events.messages(messages)))
      throw new Error('Redis did not take what had to be published again')
    this.measures.republished += rows.length
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
  const keys = rows.flatMap(keysOf)
  return listReadMarks(
    db.pool,
    keys.map(({ conversationId, seq }) => ({ conversationId, fromSeq: seq })),
  )
}

function keysOf(row: OutboxRow): MessageKey[] {
  return row.conversation_ids.map((conversationId, index) => ({ conversationId, seq: row.seqs[index] ?? 0 }))
}
