import type { Conversation, Message, ServerEventName, ServerEvents } from '@parley/protocol'

/*
 * What the domain needs of the world besides the database. packages/fanout and packages/presence fill these.
 */

/**
 * Sends events to the people of a conversation. Never fails. A promise that comes back resolves when the other processes
 * are sure to hear of it before anything that is sent from then on, or when it is given up; hardly anybody waits for it.
 */
export interface Events {
  /** `newMessage`; `leaving` are taken out of the conversation just before. */
  message(message: Message, leaving?: string[]): unknown
  toConversation<Name extends ServerEventName>(conversationId: string, event: Name, payload: ServerEvents[Name]): void
  /** All sockets of a person enter the conversation, which had `lastSeq` messages. */
  join(userId: string, lastSeq: number, conversation: Conversation): void
  /** All sockets of a person leave the conversation. */
  leave(userId: string, update: ServerEvents['conversationUpdated']): unknown
}

/** Covers the storing and publishing of a batch, so that a worker finishes what a process that dies leaves undone. */
export interface Ledger {
  cover<T>(work: (origin: string, batch: number) => Promise<T>): Promise<T>
}

export interface Presence {
  /** Those of these people who are online. */
  online(userIds: string[]): Promise<Set<string>>
}
