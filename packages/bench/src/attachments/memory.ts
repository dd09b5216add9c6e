import { readFile } from 'node:fs/promises'

/** Looks at another process's resident memory (Linux) every few milliseconds. */
export class MemoryWatch {
  readonly #pid: number
  readonly #timer: NodeJS.Timeout
  #peak = 0
  #busy = false

  constructor(pid: number, everyMs = 10) {
    this.#pid = pid
    this.#timer = setInterval(() => void this.#look(), everyMs)
  }

  /** Ends the watch. @returns the most that was seen, in MB of 1,000,000 bytes */
  stop(): number {
    clearInterval(this.#timer)
    return this.#peak
  }

  async #look(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    const now = await residentMemory(this.#pid).catch(() => 0)
    this.#peak = Math.max(this.#peak, now)
    this.#busy = false
  }
}

/** Resident memory of a process, in MB of 1,000,000 bytes. */
export async function residentMemory(pid: number): Promise<number> {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kibibytes === undefined) throw new Error(`the memory of process ${pid} cannot be read`)
  return (Number(kibibytes) * 1_024) / 1e6
}
