import { setTimeout as delay } from 'node:timers/promises'

/** Pause before work is tried again, in milliseconds: the database may be away for a moment. */
const RETRY_MS = 1_000

/** Does work that may fail for a while, `tries` times at most. Rejects as the last try did. */
export async function retried<T>(work: (attempt: number) => Promise<T>, tries: number): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      if (attempt === tries) throw error
      await delay(RETRY_MS, undefined, { ref: false })
    }
  }
}
