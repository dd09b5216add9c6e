/**
 * How long to wait before attempt `attempt` (from 1) to do something again, in milliseconds. Doubles with each up to `maxMs`, and
 * takes a random half off: those who failed together come back apart.
 */
export function backoffMs(attempt: number, firstMs: number, maxMs: number, random = Math.random()): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(Math.max(0, attempt - 1), 30))
  return Math.round(full * (1 - random / 2))
}
