/**
 * The events of one socket that are being worked on. open -> closing: what arrives from then on is left unanswered,
 * what was accepted before is still answered.
 */
export class EventFlow {
  #inFlight = 0
  #closing = false
  #settled: (() => void)[] = []

  /** Events that are not answered yet. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** No further event is taken. */
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

  /** Takes no more events; resolves when all that were accepted are answered, or after `boundMs`. */
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
