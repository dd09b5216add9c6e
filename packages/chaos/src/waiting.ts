import { setTimeout as delay } from 'node:timers/promises'

/** Polls until the condition is true. @returns how long it took in milliseconds, or null after `boundMs` */
export async function until(condition: () => Promise<boolean> | boolean, boundMs: number): Promise<number | null> {
  const began = performance.now()
  while (performance.now() - began < boundMs) {
    if (await condition()) return Math.round(performance.now() - began)
    await delay(50)
  }
  return null
}
