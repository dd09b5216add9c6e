import type { Conversation, Message, ServerEventName, ServerEvents, StoredAttachment } from '@parley/protocol'
import type { TraceParent } from '@parley/runtime'

/*
 * What the domain needs of the world besides the database. packages/fanout and packages/presence fill these.
 */

/**
 * Sends events to the people of a conversation. What comes back never rejects; it resolves when the other processes are sure
 * to hear of it before anything that is sent from then on, or, to false, when it is given up.
 */
export interface Events {
  /**
   * `newMessage`; `leaving` are taken out of the conversation just before. `trace` goes with it to the other processes,
   * not to clients.
   */
  message(message: Message, leaving?: string[], trace?: TraceParent): Promise<boolean>
  /** `newMessage` for each of a batch, those of one conversation in seq order. */
  messages(messages: readonly Message[]): Promise<boolean>
  toConversation<Name extends ServerEventName>(
    conversationId: string,
    event: Name,
    payload: ServerEvents[Name],
  ): Promise<boolean>
  /** All sockets of a person enter the conversation, which had `lastSeq` messages when they were put into it. */
  join(userId: string, lastSeq: number, conversation: Conversation): Promise<boolean>
  /** All sockets of a person leave the conversation, as its message `seq` tells. */
  leave(userId: string, seq: number, update: ServerEvents['conversationUpdated']): Promise<boolean>
}

/** Covers the storing and publishing of a batch, so that a worker finishes what a process that dies leaves undone. */
export interface Ledger {
  cover<T>(
    work: (origin: string, batch: number, publishing: (taken: Promise<boolean>) => void) => Promise<T>,
  ): Promise<T>
}

/** Addresses of attachments. packages/storage fills this. */
export interface AttachmentLinks {
  /** Where the file can be fetched for a while by whoever has the address. Computed on the spot: no round trip. */
  urlOf(conversationId: string, attachment: StoredAttachment): string
}

/** The store that holds the attachments. */
export interface AttachmentStore extends AttachmentLinks {
  /**
   * Looks at a file as it lies in the store now: its size in bytes, its type as its bytes have it.
   * @throws {ParleyError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, ATTACHMENT_NOT_FOUND, STORAGE_UNAVAILABLE
   */
  inspect(conversationId: string, id: string, fileName: string): Promise<{ size: number; type: string }>
}

export interface Presence {
  /** Those of these people who are online. */
  online(userIds: string[]): Promise<Set<string>>
}
