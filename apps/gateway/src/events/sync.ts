import type { EventHandler } from './handler.ts'

/** What has changed since the revs that the client has. The socket's rooms were joined before it could ask. */
export const sync: EventHandler<'sync'> = ({ deps, session, payload }) => deps.sync.changes(session.user.id, payload)
