import { setTimeout as delay } from 'node:timers/promises'

/**
 * Asks again and again until the answer is true. For the states of other processes that announce nothing.
 * Resolves false when `boundMs` have passed.
 */
export async function until(
  question: () => boolean | Promise<boolean>,
  boundMs: number,
  everyMs = 50,
): Promise<boolean> {
  const end = Date.now() + boundMs
  for (;;) {
    if (await question()) return true
    if (Date.now() >= end) return false
    await delay(everyMs)
  }
}
