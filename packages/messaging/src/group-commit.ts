import { isTransient, isUnavailable } from '@parley/db'
import { ParleyError } from '@parley/protocol'
import { BATCH_SIZES, Distribution, LATENCY_SECONDS } from '@parley/runtime/measure'
import { toParleyError } from './errors.ts'

export interface GroupCommitOptions<Item, Result> {
  /**
   * Does the work of a batch in one statement. One result for each item, in order; an error rejects that item alone.
   * @param committed may be called once the database has answered: the next batch begins while this one is finished
   */
  run: (items: Item[], committed: () => void) => Promise<(Result | ParleyError)[]>
  maxBatch: number
  /** Items that may wait; one more is refused as OVERLOADED. */
  maxQueue: number
  /** An item that is not done after this many milliseconds is answered UNAVAILABLE; it may still be done later. */
  deadlineMs: number
  /**
   * After a batch of several, or one during which others came, the next is begun as much later as that batch took, and this
   * many milliseconds later at most, unless it is full already: those who were just answered send again, and one large batch
   * costs less than two. Left out: no batch waits.
   */
  maxPauseMs?: number
  /** Called with errors that are not the items' own. */
  onError: (error: unknown) => void
}

/** What group commit counts, in seconds and items. Read when somebody asks; see packages/runtime/src/measure.ts. */
export class CommitMeasures {
  /** Items taken in, and those refused because the queue was full. */
  submitted = 0
  overloaded = 0
  /** From an item's coming in to the beginning of its batch, and to its answer. */
  readonly queued = new Distribution(LATENCY_SECONDS)
  readonly answered = new Distribution(LATENCY_SECONDS)
  /** From the beginning of a batch to its end, attempts that failed included. */
  readonly committed = new Distribution(LATENCY_SECONDS)
  readonly batches = new Distribution(BATCH_SIZES)
  /** Attempts made anew, after a deadlock or while the database was away. */
  retries = 0
  /** Batches that failed; one that is halved for the culprit in it counts each time. */
  failures = 0
}

interface Waiting<Item, Result> {
  item: Item
  since: number
  resolve: (result: Result) => void
  reject: (error: ParleyError) => void
}

/** Times between two attempts while the database is away, in milliseconds. */
const RETRY_MS = 100

/**
 * Group commit: while one batch is under way, what comes in waits, and then goes as the next batch in one statement.
 * Under load batches grow and the cost of each item falls; a lone item waits for nothing. (Two batches at a time are smaller
 * each: docs/PERFORMANCE.md, "and one batch at a time instead of two".)
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>
  readonly #queue: Waiting<Item, Result>[] = []
  /** The batch with the database, and those before it that are not finished. */
  readonly #flight = new Set<Waiting<Item, Result>[]>()
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

  /** Items that have not been answered yet. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * @returns the item's result, once it is committed
   * @throws {ParleyError} OVERLOADED, UNAVAILABLE, or what `run` says of this item
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
      // After all sockets that are readable in this turn of the loop have been read: they share the first batch.
      setImmediate(() => void this.#pump())
    })
  }

  /** Refuses what comes from now on and resolves when all that was accepted has been answered. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    clearInterval(this.#sweep)
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      // Here, too: a process that was frozen may come here before its timer does.
      this.#dropLate()
      const batch = this.#queue.splice(0, this.#options.maxBatch)
      if (batch.length === 0) break
      this.#measureStart(batch)
      const began = performance.now()
      await new Promise<void>((committed) => void this.#see(batch, committed).then(committed))
      await this.#pause(batch.length, performance.now() - began)
    }
    this.#running = false
  }

  async #pause(size: number, tookMs: number): Promise<void> {
    const { maxPauseMs, maxBatch } = this.#options
    const isAlone = size + this.#queue.length === 1
    if (maxPauseMs === undefined || isAlone || this.#queue.length >= maxBatch) return
    await new Promise((resolve) => setTimeout(resolve, Math.min(maxPauseMs, tookMs)))
  }

  async #see(batch: Waiting<Item, Result>[], committed: () => void): Promise<void> {
    this.#flight.add(batch)
    await this.#commit(batch, committed)
    this.#flight.delete(batch)
    this.#waiting -= batch.length
  }

  /** Never rejects. A batch that fails for what is in it is halved until the culprit is alone. */
  async #commit(batch: Waiting<Item, Result>[], committed: () => void = () => undefined): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    const began = performance.now()
    try {
      const results = await this.#attempt(batch.map(itemOf), first.since + this.#options.deadlineMs, committed)
      const now = performance.now()
      this.measures.committed.observe((now - began) / 1_000)
      // A loop and no closure: see layOut() in packages/db/src/queries/append-fresh.ts.
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

  /** Tries again on deadlocks, and until `deadline` while the database is away: `run` is safe to repeat. */
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
    // In flight: answered now, though it may still be done. The promise takes its first answer only.
    for (const { since, reject } of [...this.#flight].flat()) if (since < limit) reject(new ParleyError('UNAVAILABLE'))
    this.#dropLate()
  }

  /** What has waited for too long is not begun any more: it may have been sent again elsewhere. */
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
