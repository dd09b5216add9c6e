import { type ClientErrorCode, ParleyClientError } from '@parley/client'

/** No answer came that could be read: what browsers say of that ("Failed to fetch") is not for people. */
const AWAY: ReadonlySet<ClientErrorCode> = new Set(['NETWORK', 'TIMEOUT', 'BAD_ANSWER', 'TOKEN_MISSING'])

/** What went wrong, for the person who asked for it. */
export function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!(error instanceof ParleyClientError)) return error.message
  if (AWAY.has(error.code)) return 'The server cannot be reached. Please try again.'
  // What there is to mend is for whoever runs the cluster; smaller ones go.
  return error.code === 'UPLOAD_BLOCKED' ? 'This file is too large to be sent from this page.' : error.message
}
