import { type ClientErrorCode, ParleyClientError } from '@parley/client'

/** No answer came that could be read: what browsers say of that ("Failed to fetch") is not for people. */
const AWAY: ReadonlySet<ClientErrorCode> = new Set(['NETWORK', 'TIMEOUT', 'BAD_ANSWER', 'TOKEN_MISSING'])

/** What went wrong, for the person who asked for it. */
export function problemOf(error: unknown): string {
  if (error instanceof ParleyClientError && AWAY.has(error.code))
    return 'The server cannot be reached. Please try again.'
  return error instanceof Error ? error.message : String(error)
}
