import type { EventHandler } from './handler.ts'

/** Records whether the page is visible: a tab in the background does not hold back pushes. */
export const setVisibility: EventHandler<'setVisibility'> = async ({ deps, socket, session, payload }) => {
  deps.presence.setVisible(session.user.id, socket.id, payload.visible)
  return { visible: payload.visible }
}
