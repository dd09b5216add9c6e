import type { Server } from 'node:http'

/** How long requests in progress may take after a server closes, in milliseconds. With the drain delay below `forceQuitMs`. */
const IN_PROGRESS_MS = 10_000

/**
 * Closes a server: requests in progress are answered, and those that do not finish in time are cut off, such as a slow upload
 * or an incomplete request.
 * @param close starts closing; resolves when the last connection is closed
 */
export async function closeInTime(
  server: Server,
  close: () => PromiseLike<unknown>,
  inProgressMs: number = IN_PROGRESS_MS,
): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), inProgressMs)
  try {
    await close()
  } finally {
    clearTimeout(cut)
  }
}
