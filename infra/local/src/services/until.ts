import { setTimeout as delay } from 'node:timers/promises'

/**
 * Polls until the answer is true, for states of other processes that send no events.
 * @returns false if `boundMs` have passed
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
