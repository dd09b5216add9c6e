import { ParleyError } from '@parley/protocol'
import type { EventHandler } from './handler.ts'

/** Those who are online among the people who share a conversation with the asker; as an event and in the ack. */
export const getOnlineUsers: EventHandler<'getOnlineUsers'> = async ({ deps, socket, session }) => {
  const contacts = await deps.membership.contactsOf(session.user.id)
  const online = await deps.presenceReader.online(contacts).catch((cause) => {
    throw new ParleyError('UNAVAILABLE', { cause })
  })
  const ids = contacts.filter((id) => online.has(id))
  socket.emit('onlineUsers', ids)
  return ids
}
