import type { Conversation, Message, ServerEventName, ServerEvents } from '@parley/protocol'

/*
 * What the domain needs of the world besides the database. packages/fanout and packages/presence fill these.
 */

/** Sends events to the people of a conversation. Never fails and is not waited for. */
export interface Events {
  /** `newMessage`; `leaving` are taken out of the conversation just before. */
  message(message: Message, leaving?: string[]): void
  toConversation<Name extends ServerEventName>(conversationId: string, event: Name, payload: ServerEvents[Name]): void
  /** All sockets of a person enter the conversation, which had `lastSeq` messages. */
  join(userId: string, lastSeq: number, conversation: Conversation): void
  /** All sockets of a person leave the conversation. */
  leave(userId: string, update: ServerEvents['conversationUpdated']): void
}

/** Covers the storing and publishing of a batch, so that a worker finishes what a process that dies leaves undone. */
export interface Ledger {
  cover<T>(work: (origin: string, batch: number) => Promise<T>): Promise<T>
}

export interface Presence {
  /** Those of these people who are online. */
  online(userIds: string[]): Promise<Set<string>>
}
