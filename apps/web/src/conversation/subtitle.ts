import type { Conversation } from '@parley/client'
import { partnerOf } from '../people/names.ts'
import { lastSeenOf } from '../text/dates.ts'

/** Returns a conversation's subtitle: whether the other person is online, or the number of members. */
export function subtitleOf(conversation: Conversation, me: string, now = new Date()): string {
  const partner = partnerOf(conversation, me)
  if (partner !== undefined) return partner.isOnline ? 'Online' : lastSeenOf(partner.lastSeen, now)
  const { participantCount, participants } = conversation
  const members = `${participantCount} member${participantCount === 1 ? '' : 's'}`
  const online = participants.filter(({ id, isOnline }) => isOnline && id !== me).length
  return online > 0 ? `${members}, ${online} online` : members
}
