import { isUnavailable } from '@parley/db'
import { ParleyError } from '@parley/protocol'

/** What a client is told of any error: itself if it is one of ours, UNAVAILABLE if the database is away, else INTERNAL. */
export function toParleyError(error: unknown): ParleyError {
  if (error instanceof ParleyError) return error
  return new ParleyError(isUnavailable(error) ? 'UNAVAILABLE' : 'INTERNAL', { cause: error })
}
