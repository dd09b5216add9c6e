/**
 * Returns the delay before retry `attempt` (from 1), in milliseconds. Doubles with each attempt up to `maxMs`, minus a random
 * share of up to one half, so that those who failed together retry at different times.
 */
export function backoffMs(attempt: number, firstMs: number, maxMs: number, random = Math.random()): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(Math.max(0, attempt - 1), 30))
  return Math.round(full * (1 - random / 2))
}
