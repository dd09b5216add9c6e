/**
 * Tracks one socket's events in flight. open -> closing: events that arrive from then on stay unanswered; those accepted
 * before are still answered.
 */
export class EventFlow {
  #inFlight = 0
  #closing = false
  #settled: (() => void)[] = []

  /** Number of events not answered yet. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Whether new events are ignored. */
  get closing(): boolean {
    return this.#closing
  }

  begin(): void {
    this.#inFlight++
  }

  end(): void {
    this.#inFlight--
    if (this.#inFlight === 0) for (const resolve of this.#settled.splice(0)) resolve()
  }

  /** Stops taking events. Resolves when all accepted events are answered, or after `boundMs` milliseconds. */
  async close(boundMs: number): Promise<void> {
    this.#closing = true
    if (this.#inFlight === 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, boundMs)
      this.#settled.push(resolve)
    })
    clearTimeout(timer)
  }
}
