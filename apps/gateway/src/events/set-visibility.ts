import type { EventHandler } from './handler.ts'

/** A tab in the background is no reason to hold back a push. */
export const setVisibility: EventHandler<'setVisibility'> = async ({ deps, socket, session, payload }) => {
  deps.presence.setVisible(session.user.id, socket.id, payload.visible)
  return { visible: payload.visible }
}
