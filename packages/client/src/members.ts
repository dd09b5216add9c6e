import type { Conversation, Participant, SyncedConversation } from '@parley/protocol'

/** Whether both lists have the same users in the same order; other fields may differ. */
export function areSame(people: readonly Participant[], before: readonly Participant[]): boolean {
  return people.length === before.length && people.every(({ id }, index) => id === before[index]?.id)
}

/**
 * Returns the participants of a conversation after a sync.
 * @param online ids of the online users, for new participants
 * @param userId the client's own user
 */
export function mergeMembers(
  participants: readonly Participant[],
  { members, gone, joined }: SyncedConversation,
  online: ReadonlySet<string>,
  userId: string,
): Participant[] {
  const before = new Map(participants.map((person) => [person.id, person]))
  const merged = joined ? new Map<string, Participant>() : new Map(before)
  for (const { joinedSeq: _, ...member } of members) {
    const known = before.get(member.id)
    const lastReadSeq = Math.max(member.lastReadSeq, known?.lastReadSeq ?? 0)
    const presence = known ?? { isOnline: online.has(member.id), lastSeen: null }
    merged.set(member.id, { ...presence, ...member, lastReadSeq })
  }
  for (const id of gone) merged.delete(id)
  // The client's own user comes last, as in the server's answers.
  return [...merged.values()].sort((a, b) => Number(a.id === userId) - Number(b.id === userId))
}

/** Builds the conversation that a sync names for the first time. */
export function conversationOf(synced: SyncedConversation, online: ReadonlySet<string>, userId: string): Conversation {
  const { id, type, name, createdBy, participantCount, unreadCount, lastSeq, lastReadSeq, rev, createdAt, updatedAt } =
    synced
  return {
    id,
    type,
    name,
    createdBy,
    participants: mergeMembers([], { ...synced, joined: true }, online, userId),
    participantCount,
    lastMessage: synced.messages.at(-1) ?? null,
    unreadCount,
    lastSeq,
    lastReadSeq,
    rev,
    createdAt,
    updatedAt,
  }
}
