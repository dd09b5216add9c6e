import { ParleyError } from '@parley/protocol'
import type { EventHandler } from './handler.ts'

/** Returns the ids of the person's contacts who are online; sent as an `onlineUsers` event, too. */
export const getOnlineUsers: EventHandler<'getOnlineUsers'> = async ({ deps, socket, session }) => {
  const contacts = await deps.membership.contactsOf(session.user.id)
  const online = await deps.presenceReader.online(contacts).catch((cause) => {
    throw new ParleyError('UNAVAILABLE', { cause })
  })
  const ids = contacts.filter((id) => online.has(id))
  socket.emit('onlineUsers', ids)
  return ids
}
