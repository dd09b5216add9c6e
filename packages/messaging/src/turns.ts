/** Keeps tasks with the same key in order even if some of them have to wait for something first. */
export class Turns {
  /** The last task in line by key; no entry if none waits. */
  readonly #last = new Map<string, Promise<void>>()

  /** Whether a new task with this key would have to wait for others. */
  areWaiting(key: string): boolean {
    return this.#last.size > 0 && this.#last.has(key)
  }

  /** Runs `go` on the result of `ready`, once all earlier tasks with the same key have started or failed. */
  async take<Value, Result>(
    key: string,
    ready: Promise<Value>,
    go: (value: Value) => Promise<Result>,
  ): Promise<Result> {
    const before = this.#last.get(key)
    const turn = Promise.withResolvers<void>()
    this.#last.set(key, turn.promise)
    try {
      const [settled] = await Promise.allSettled([ready, before])
      if (settled.status === 'rejected') throw settled.reason
      // Started, not awaited: the next one may start now.
      return go(settled.value)
    } finally {
      turn.resolve()
      if (this.#last.get(key) === turn.promise) this.#last.delete(key)
    }
  }
}
