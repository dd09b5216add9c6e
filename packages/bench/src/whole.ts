import type { LoadResult } from './load/message.ts'

/**
 * @param acked messages before this run
 * @param stored messages in the database; null if the subject stores none
 * @throws unless every send was acked, every acked message is stored and every delivery was made
 */
export function assertWhole(name: string, result: LoadResult, stored: number | null, acked = 0): LoadResult {
  const isStored = stored === null || stored === acked + result.acked
  if (result.delivered === result.due && isStored && result.failed === 0) return result
  throw new Error(
    `${name} lost or duplicated messages: ${JSON.stringify({ ...result, stored, acked })}; its figures do not count`,
  )
}
