import type { EventHandler } from './handler.ts'

/** Returns what has changed since the client's revs. The socket's rooms are already joined, so nothing falls in between. */
export const sync: EventHandler<'sync'> = ({ deps, session, payload }) => deps.sync.changes(session.user.id, payload)
