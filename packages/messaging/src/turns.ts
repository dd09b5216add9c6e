/** Keeps things of one kind in order where some of them have to wait for something first. */
export class Turns {
  /** The last of each kind; nothing of it where none waits. */
  readonly #last = new Map<string, Promise<void>>()

  /** Whether one that comes now has others of its kind before it. */
  areWaiting(key: string): boolean {
    return this.#last.size > 0 && this.#last.has(key)
  }

  /** Runs `go` on what comes of `ready`, after all that came before of the same kind have begun or failed. */
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
      // Begun and not waited for: it is the next one's turn.
      return go(settled.value)
    } finally {
      turn.resolve()
      if (this.#last.get(key) === turn.promise) this.#last.delete(key)
    }
  }
}
