import { type ConversationType, ParleyError, type ParticipantRole } from '@parley/protocol'

/*
 * Who may do what. Pure functions; one policy for HTTP and sockets. That the actor is a member has been settled before:
 * for anybody else the conversation does not exist.
 */

/** Names and people can change in a group only; any member may rename it and add people. */
export function requireGroup(type: ConversationType): void {
  if (type !== 'GROUP') throw new ParleyError('NOT_A_GROUP')
}

/** The owner may remove anybody; everybody may leave. */
export function requireMayRemove(actor: { id: string; role: ParticipantRole }, targetId: string): void {
  if (actor.id !== targetId && actor.role !== 'OWNER') {
    throw new ParleyError('FORBIDDEN', { message: 'Only the owner of the group may remove others.' })
  }
}
