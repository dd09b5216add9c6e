import {
  type Database,
  deleteOutbox,
  firstOutboxId,
  listOutboxKeys,
  listOutboxMessages,
  type MessageKey,
  type OutboxRow,
  type Queryable,
  takeOutbox,
  transaction,
} from '@parley/db'
import { readWatermarks } from '@parley/fanout'
import type { Indexable } from '@parley/messaging'
import type { Message } from '@parley/protocol'
import type { RedisClient } from '@parley/redis'
import { Distribution, LATENCY_SECONDS, type Span, type TraceParent, type Tracer } from '@parley/runtime'
import { WorkLoop } from '@parley/runtime/work-loop'
import { FirstRow } from './first-row.ts'

/**
 * How long a worker's transaction may be idle before Postgres ends it and other workers can take its rows, in milliseconds:
 * well above the time that a slow Redis can hold up a round.
 */
export const TAKEN_MS = 60_000

/** A stored message as steps see it. */
export type DueMessage = Indexable & Pick<Message, 'id' | 'createdAt'>

/**
 * One kind of work to do for every stored message. If a step rejects, its rows are left for another round, so running it twice
 * for the same message must be safe.
 */
export interface OutboxStep {
  readonly name: string
  /**
   * @param messages sorted by conversation and seq
   * @param traces of the messages that are traced, by message id
   * @param tx the transaction that deletes the rows: whatever is done in it happens exactly once
   */
  run(messages: readonly DueMessage[], traces: ReadonlyMap<string, TraceParent>, tx: Queryable): Promise<void>
}

export interface OutboxDrainOptions {
  db: Database
  redis: RedisClient
  /** Publishes these messages again; see republish.ts. Resolves to false if Redis did not accept them. */
  republish: (keys: readonly MessageKey[]) => Promise<boolean>
  /** Run one after the other on all messages of a round. */
  steps: readonly OutboxStep[]
  onError: (error: unknown) => void
  /** Undefined when tracing is off. */
  tracer?: Tracer | undefined
  /** Most rows (batches of messages) per round. */
  maxRows?: number
  /** Most messages per round; a single row may have more. */
  maxMessages?: number
  /** Pause after a round that found nothing, in milliseconds; after a failed one it is four times as long. */
  idleMs?: number
  /** Returns the time in milliseconds; for tests. */
  now?: () => number
}

/**
 * Processes the outbox: every stored batch of messages passes through here, whatever happens to the process that stored it.
 * Workers share it: a row is locked by one worker at a time and deleted in the transaction that holds the lock.
 */
export class OutboxDrain {
  readonly #options: Required<Omit<OutboxDrainOptions, 'tracer' | 'now'>> & Pick<OutboxDrainOptions, 'tracer'>
  readonly #first: FirstRow
  /** Totals of this worker: batches, messages, batches published again, failed rounds; and the rounds' durations in seconds. */
  readonly measures = {
    rows: 0,
    messages: 0,
    republished: 0,
    failures: 0,
    rounds: new Distribution(LATENCY_SECONDS),
  }
  readonly #loop: WorkLoop

  constructor(options: OutboxDrainOptions) {
    this.#options = { maxRows: 50, maxMessages: 2_048, idleMs: 250, ...options }
    const { idleMs, onError } = this.#options
    this.#first = new FirstRow(() => firstOutboxId(options.db.pool), options.now)
    this.#loop = new WorkLoop({
      idleMs,
      failedMs: 4 * idleMs,
      round: async () => (await this.#round()).more,
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

  /**
   * Runs one round.
   * @returns how many rows were processed
   */
  async drainOnce(): Promise<number> {
    return (await this.#round()).taken
  }

  /** Runs one round. `more` says whether there may be more rows to process right away. */
  async #round(): Promise<{ taken: number; more: boolean }> {
    const { db, redis, maxRows, maxMessages } = this.#options
    const alive = await readWatermarks(redis)
    const from = await this.#first.id()
    const began = performance.now()
    const work = async (tx: Queryable) => {
      const found = await takeOutbox(tx, alive, maxRows, from)
      const rows = bounded(found, maxMessages)
      const ids = idsOf(rows)
      if (rows.length === 0) return { ids, messages: 0, found: 0 }
      const messages = await this.#work(rows, tx)
      await deleteOutbox(tx, ids)
      return { ids, messages, found: found.length }
    }
    const { ids, messages, found } = await transaction(db, work, TAKEN_MS)
    const taken = ids.length
    this.#first.took(ids)
    if (taken > 0) this.measures.rounds.observe((performance.now() - began) / 1_000)
    this.measures.rows += taken
    this.measures.messages += messages
    return { taken, more: taken < found || found === maxRows }
  }

  /** @returns how many messages were processed */
  async #work(rows: readonly OutboxRow[], tx: Queryable): Promise<number> {
    const { db, steps } = this.#options
    await this.#publishAgain(rows.filter(({ orphaned }) => orphaned))
    if (steps.length === 0) return 0
    const messages = await loadMessages(db, rows)
    await this.#traced(rows, messages, async (traces) => {
      for (const step of steps) await step.run(messages, traces, tx)
    })
    return messages.length
  }

  /** Runs `work` in one span per traced message, all linked to a span for the round. */
  async #traced(
    rows: readonly OutboxRow[],
    messages: readonly DueMessage[],
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

  /** Publishes batches of a dead process, which may not have done so. Clients recognise duplicates by their seq. */
  async #publishAgain(rows: readonly OutboxRow[]): Promise<void> {
    if (rows.length === 0) return
    const { db, republish } = this.#options
    if (!(await republish(await listOutboxKeys(db.pool, idsOf(rows))))) {
      throw new Error('Redis did not accept the messages to publish again')
    }
    this.measures.republished += rows.length
  }
}

/** Returns the first rows that have at most `maxMessages` messages in total, but at least one row. */
function bounded(rows: readonly OutboxRow[], maxMessages: number): readonly OutboxRow[] {
  let messages = 0
  const end = rows.findIndex((row, index) => {
    messages += row.messages
    return index > 0 && messages > maxMessages
  })
  return end < 0 ? rows : rows.slice(0, end)
}

async function loadMessages(db: Database, rows: readonly OutboxRow[]): Promise<DueMessage[]> {
  const found = await listOutboxMessages(db.pool, idsOf(rows))
  return found.map((row) => ({
    id: row.id,
    conversationId: row.conversation_id,
    seq: row.seq,
    senderId: row.sender_id,
    type: row.type,
    content: row.content,
    attachments: row.attachments ?? [],
    createdAt: row.created_at,
  }))
}

function idsOf(rows: readonly OutboxRow[]): number[] {
  return rows.map(({ id }) => id)
}
