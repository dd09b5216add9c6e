import { type ClientErrorCode, ParleyClientError } from '@parley/client'

/** No usable answer arrived. The browser's own messages ("Failed to fetch") are not meant for users. */
const AWAY: ReadonlySet<ClientErrorCode> = new Set(['NETWORK', 'TIMEOUT', 'BAD_ANSWER', 'TOKEN_MISSING'])

/** Returns what went wrong, in words for the user. */
export function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!(error instanceof ParleyClientError)) return error.message
  if (AWAY.has(error.code)) return 'The server cannot be reached. Please try again.'
  // The cause is for the operator to fix; smaller files can still be sent.
  return error.code === 'UPLOAD_BLOCKED' ? 'This file is too large to be sent from this page.' : error.message
}
