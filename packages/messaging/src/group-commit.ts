import { isTransient, isUnavailable } from '@parley/db'
import { ParleyError } from '@parley/protocol'
import { BATCH_SIZES, Distribution, LATENCY_SECONDS } from '@parley/runtime/measure'
import { toParleyError } from './errors.ts'

export interface GroupCommitOptions<Item, Result> {
  /**
   * Processes a batch in one statement. Returns one result for each item, in order; an error rejects that item only.
   * @param committed may be called once the database has answered, to start the next batch while this one is finished
   */
  run: (items: Item[], committed: () => void) => Promise<(Result | ParleyError)[]>
  maxBatch: number
  /** Maximum number of unanswered items; more are refused as OVERLOADED. */
  maxQueue: number
  /** An item not finished after this many milliseconds is answered UNAVAILABLE; it may still complete later. */
  deadlineMs: number
  /**
   * Pause after a batch of several items, or one during which others arrived: as long as that batch took, and at most this
   * many milliseconds, unless the next batch is full already. Clients that were just answered send again, and one large batch
   * costs less than two small ones. Omitted: no pause.
   */
  maxPauseMs?: number
  /** Called with errors of a whole batch. */
  onError: (error: unknown) => void
}

/** Measurements of group commit, in seconds and items. Read when metrics are scraped; see packages/runtime/src/measure.ts. */
export class CommitMeasures {
  /** Items accepted, and those refused because the queue was full. */
  submitted = 0
  overloaded = 0
  /** From the arrival of an item to the start of its batch, and to its answer. */
  readonly queued = new Distribution(LATENCY_SECONDS)
  readonly answered = new Distribution(LATENCY_SECONDS)
  /** From the start of a batch to its end, failed attempts included. */
  readonly committed = new Distribution(LATENCY_SECONDS)
  readonly batches = new Distribution(BATCH_SIZES)
  /** Attempts repeated after a deadlock or while the database was down. */
  retries = 0
  /** Batches that failed; one that is halved to isolate a failing item counts each time. */
  failures = 0
}

interface Waiting<Item, Result> {
  item: Item
  since: number
  resolve: (result: Result) => void
  reject: (error: ParleyError) => void
}

/** Pause between two attempts, in milliseconds. */
const RETRY_MS = 100

/**
 * Group commit: items that arrive while a batch is in progress wait and form the next batch, in one statement. Under load,
 * batches grow and the cost per item falls; a single item is not delayed. (Two concurrent batches would each be smaller:
 * docs/PERFORMANCE.md, "and one batch at a time instead of two".)
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>
  readonly #queue: Waiting<Item, Result>[] = []
  /** The batch at the database, and earlier ones that are not finished. */
  readonly #inFlight = new Set<Waiting<Item, Result>[]>()
  #running = false
  readonly #sweep: NodeJS.Timeout
  #waiting = 0
  #closed = false
  readonly measures = new CommitMeasures()

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options
    this.#sweep = setInterval(() => this.#rejectLate(), Math.max(10, options.deadlineMs / 10))
    this.#sweep.unref()
  }

  /** Number of items that have not been answered yet. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * Queues an item.
   * @returns the item's result, once it is committed
   * @throws {ParleyError} OVERLOADED, UNAVAILABLE, or the error that `run` returns for this item
   */
  submit(item: Item): Promise<Result> {
    if (this.#closed) return Promise.reject(new ParleyError('UNAVAILABLE', { message: 'The server is stopping.' }))
    if (this.#waiting >= this.#options.maxQueue) {
      this.measures.overloaded++
      return Promise.reject(new ParleyError('OVERLOADED'))
    }
    this.#waiting++
    this.measures.submitted++
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, since: performance.now(), resolve, reject })
      if (this.#running) return
      this.#running = true
      // After all sockets readable in this turn of the event loop have been read, so that they share the first batch.
      setImmediate(() => void this.#pump())
    })
  }

  /** Refuses new items and resolves when all accepted ones have been answered. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    clearInterval(this.#sweep)
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      // Not only on the timer: a process that was frozen may get here before its timer fires.
      this.#dropLate()
      const batch = this.#queue.splice(0, this.#options.maxBatch)
      if (batch.length === 0) break
      this.#measureStart(batch)
      const began = performance.now()
      await new Promise<void>((committed) => void this.#process(batch, committed).then(committed))
      await this.#pause(batch.length, performance.now() - began)
    }
    this.#running = false
  }

  async #pause(size: number, tookMs: number): Promise<void> {
    const { maxPauseMs, maxBatch } = this.#options
    const isSingle = size + this.#queue.length === 1
    if (maxPauseMs === undefined || isSingle || this.#queue.length >= maxBatch) return
    await new Promise((resolve) => setTimeout(resolve, Math.min(maxPauseMs, tookMs)))
  }

  async #process(batch: Waiting<Item, Result>[], committed: () => void): Promise<void> {
    this.#inFlight.add(batch)
    await this.#commit(batch, committed)
    this.#inFlight.delete(batch)
    this.#waiting -= batch.length
  }

  /** Never rejects. A batch that fails because of an item is halved until that item is isolated. */
  async #commit(batch: Waiting<Item, Result>[], committed: () => void = () => undefined): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    const began = performance.now()
    try {
      const results = await this.#attempt(batch.map(itemOf), first.since + this.#options.deadlineMs, committed)
      const now = performance.now()
      this.measures.committed.observe((now - began) / 1_000)
      // A loop without a closure: see layOut() in packages/db/src/queries/append-fresh.ts.
      for (let index = 0; index < batch.length; index++) {
        const waiting = batch[index]
        if (waiting === undefined) continue
        this.measures.answered.observe((now - waiting.since) / 1_000)
        const result = results[index]
        if (result instanceof ParleyError) waiting.reject(result)
        else if (result === undefined) waiting.reject(new ParleyError('INTERNAL'))
        else waiting.resolve(result)
      }
    } catch (error) {
      this.measures.failures++
      this.#options.onError(error)
      if (batch.length === 1 || isUnavailable(error)) {
        for (const { reject } of batch) reject(toParleyError(error))
        return
      }
      const middle = Math.ceil(batch.length / 2)
      await this.#commit(batch.slice(0, middle))
      await this.#commit(batch.slice(middle))
    }
  }

  /** Retries after deadlocks, and until `deadline` while the database is down: `run` is idempotent. */
  async #attempt(items: Item[], deadline: number, committed: () => void): Promise<(Result | ParleyError)[]> {
    for (let deadlocks = 0; ; ) {
      try {
        return await this.#options.run(items, committed)
      } catch (error) {
        const again = isTransient(error) ? ++deadlocks < 4 : isUnavailable(error)
        if (!again || performance.now() + RETRY_MS > deadline) throw error
        this.measures.retries++
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  #measureStart(batch: readonly Waiting<Item, Result>[]): void {
    const now = performance.now()
    this.measures.batches.observe(batch.length)
    for (const { since } of batch) this.measures.queued.observe((now - since) / 1_000)
  }

  #rejectLate(): void {
    const limit = performance.now() - this.#options.deadlineMs
    // Items in flight are answered now but may still complete; their promises ignore the second outcome.
    for (const { since, reject } of [...this.#inFlight].flat())
      if (since < limit) reject(new ParleyError('UNAVAILABLE'))
    this.#dropLate()
  }

  /** Drops items that have waited too long: their clients may have sent them again elsewhere. */
  #dropLate(): void {
    const limit = performance.now() - this.#options.deadlineMs
    let late = 0
    while (late < this.#queue.length && (this.#queue[late]?.since ?? limit) < limit) late++
    for (const { reject } of this.#queue.splice(0, late)) reject(new ParleyError('UNAVAILABLE'))
    this.#waiting -= late
  }
}

function itemOf<Item>({ item }: { item: Item }): Item {
  return item
}
