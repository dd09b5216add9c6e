import { randomUUIDv7 } from 'node:crypto'
import type { NewMessage } from '@parley/db'
import type { SystemEvent, User } from '@parley/protocol'

/** Builds a SYSTEM message by `actor`: `system` for clients that word it themselves, `content` for all others. */
export function systemMessage(
  conversationId: string,
  actor: User,
  system: SystemEvent,
  people: readonly User[],
): NewMessage {
  return {
    id: randomUUIDv7(),
    conversationId,
    senderId: actor.id,
    clientMessageId: null,
    content: wording(actor, system, people),
    type: 'SYSTEM',
    attachments: [],
    system,
  }
}

/** Returns the ids of the users who left the conversation according to a message. */
export function leavingIn({ system }: { system: SystemEvent | null }): string[] {
  return system?.event === 'participantRemoved' || system?.event === 'participantLeft' ? system.userIds : []
}

function wording(actor: User, system: SystemEvent, people: readonly User[]): string {
  switch (system.event) {
    case 'participantsAdded':
      return `${actor.fullName} added ${listOf(people)}`
    case 'participantRemoved':
      return `${actor.fullName} removed ${listOf(people)}`
    case 'participantLeft':
      return `${actor.fullName} left`
    case 'renamed':
      return system.name === null
        ? `${actor.fullName} removed the name`
        : `${actor.fullName} renamed the group to ${system.name}`
  }
}

/** "A, B and C"; past three names "A, B and 5 others". */
function listOf(people: readonly User[]): string {
  const names = people.map(({ fullName }) => fullName)
  const shown = names.length > 3 ? [...names.slice(0, 2), `${names.length - 2} others`] : names
  return new Intl.ListFormat('en-GB', { type: 'conjunction' }).format(shown)
}
