import { LIMITS } from '@parley/protocol/limits'
import type { Inbox } from './inbox.ts'

/**
 * Splits the known conversations, sorted by id, into chunks that one `sync` call may name each. A call covers the ids in
 * `(first, until]`; null means unbounded.
 */
export function* chunksOf(
  inbox: Pick<Inbox, 'rooms'>,
): Generator<{ ids: string[]; first: string | null; until: string | null }> {
  const ids = Array.from(inbox.rooms(), ({ id }) => id).sort()
  let first: string | null = null
  for (let from = 0; ; from += LIMITS.syncConversations) {
    const chunk = ids.slice(from, from + LIMITS.syncConversations)
    const isLast = from + chunk.length >= ids.length
    const until: string | null = isLast ? null : (chunk.at(-1) ?? null)
    yield { ids: chunk, first, until }
    if (isLast) return
    first = until
  }
}
