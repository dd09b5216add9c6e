import { isUnavailable } from '@parley/db'
import { ParleyError } from '@parley/protocol'

/** Converts any error for clients: a ParleyError stays, an unreachable database is UNAVAILABLE, all else is INTERNAL. */
export function toParleyError(error: unknown): ParleyError {
  if (error instanceof ParleyError) return error
  return new ParleyError(isUnavailable(error) ? 'UNAVAILABLE' : 'INTERNAL', { cause: error })
}
