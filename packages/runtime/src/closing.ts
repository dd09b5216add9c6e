import type { Server } from 'node:http'

/** How long what is under way may take once a server is closed, in milliseconds: with the drain delay, less than a forced end. */
const UNDER_WAY_MS = 10_000

/**
 * Closes a server: what is under way is answered, and what does not come to its end is cut off, such as a slow upload or
 * half a request.
 * @param close begins it; resolves when the last connection is closed
 */
export async function closeInTime(
  server: Server,
  close: () => PromiseLike<unknown>,
  underWayMs: number = UNDER_WAY_MS,
): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), underWayMs)
  try {
    await close()
  } finally {
    clearTimeout(cut)
  }
}
