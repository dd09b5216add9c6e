import type { LoadResult } from './load/message.ts'

/**
 * @param stored messages in the database; null where nothing is stored
 * @throws unless every acked message is stored, every send was acked and every delivery made
 */
export function assertWhole(name: string, result: LoadResult, stored: number | null): LoadResult {
  const whole = result.delivered === result.due && (stored === null || stored === result.acked) && result.failed === 0
  if (whole) return result
  throw new Error(`${name} is not whole: ${JSON.stringify({ ...result, stored })}; its figures do not count`)
}
