import { setTimeout as delay } from 'node:timers/promises'

/** Pause before a retry, in milliseconds: the database may be down for a moment. */
const RETRY_MS = 1_000

/** Runs work, up to `tries` times in all until it succeeds. Rejects with the error of the last attempt. */
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
