import type { LoadResult } from './load/message.ts'

/**
 * @param acked messages before this time under load
 * @param stored messages in the database; null where nothing is stored
 * @throws unless every acked message is stored, every send was acked and every delivery made
 */
export function assertWhole(name: string, result: LoadResult, stored: number | null, acked = 0): LoadResult {
  const isStored = stored === null || stored === acked + result.acked
  if (result.delivered === result.due && isStored && result.failed === 0) return result
  throw new Error(`${name} is not whole: ${JSON.stringify({ ...result, stored, acked })}; its figures do not count`)
}
