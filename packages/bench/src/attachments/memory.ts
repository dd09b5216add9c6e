import { residentBytes } from '../process-usage.ts'

/** Samples another process's resident memory every few milliseconds. Linux only. */
export class MemoryWatch {
  readonly #pid: number
  readonly #timer: NodeJS.Timeout
  #peak = 0
  #busy = false

  constructor(pid: number, everyMs = 10) {
    this.#pid = pid
    this.#timer = setInterval(() => void this.#sample(), everyMs)
  }

  /** Stops sampling. @returns the peak in MB of 1,000,000 bytes */
  stop(): number {
    clearInterval(this.#timer)
    return this.#peak / 1e6
  }

  async #sample(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    const now = await residentBytes([this.#pid]).catch(() => 0)
    this.#peak = Math.max(this.#peak, now)
    this.#busy = false
  }
}
