import { type ConversationType, ParleyError, type ParticipantRole } from '@parley/protocol'

/*
 * Who may do what. Pure functions; one policy for HTTP and sockets. The caller has checked that the actor is a member: for
 * anybody else the conversation does not exist.
 */

/** Only groups can be renamed or change their members; any member may rename a group and add others. */
export function requireGroup(type: ConversationType): void {
  if (type !== 'GROUP') throw new ParleyError('NOT_A_GROUP')
}

/** The owner may remove anybody; anybody may leave. */
export function requireMayRemove(actor: { id: string; role: ParticipantRole }, targetId: string): void {
  if (actor.id !== targetId && actor.role !== 'OWNER') {
    throw new ParleyError('FORBIDDEN', { message: 'Only the owner of the group may remove others.' })
  }
}
