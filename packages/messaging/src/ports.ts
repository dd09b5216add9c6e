import type { Conversation, Message, ServerEventName, ServerEvents, StoredAttachment } from '@parley/protocol'
import type { TraceParent } from '@parley/runtime'

/*
 * The ports of the domain, besides the database. packages/fanout, packages/presence and packages/storage implement them.
 */

/**
 * Sends events to the members of a conversation. The returned promises never reject. They resolve to true once the other
 * processes are sure to receive the event before anything sent from then on, or to false when it is given up.
 */
export interface Events {
  /**
   * Sends `newMessage`. The users in `leaving` are removed from the conversation just before. `trace` is passed to the other
   * processes, not to clients.
   */
  message(message: Message, leaving?: string[], trace?: TraceParent): Promise<boolean>
  /** Sends `newMessage` for each of a batch; those of one conversation in seq order. */
  messages(messages: readonly Message[]): Promise<boolean>
  toConversation<Name extends ServerEventName>(
    conversationId: string,
    event: Name,
    payload: ServerEvents[Name],
  ): Promise<boolean>
  /** Has all sockets of a user enter the conversation, whose last seq was `lastSeq` when they were added. */
  join(userId: string, lastSeq: number, conversation: Conversation): Promise<boolean>
  /** Has all sockets of a user leave the conversation, as announced by its message `seq`. */
  leave(userId: string, seq: number, update: ServerEvents['conversationUpdated']): Promise<boolean>
}

/** Records the storing and publishing of a batch, so that a worker completes what a process that dies leaves unfinished. */
export interface Ledger {
  cover<T>(
    work: (origin: string, batch: number, publishing: (taken: Promise<boolean>) => void) => Promise<T>,
  ): Promise<T>
}

/** URLs of attachments. */
export interface AttachmentLinks {
  /** Returns a URL with which anybody can fetch the file for a limited time. Computed locally, without a round trip. */
  urlOf(conversationId: string, attachment: StoredAttachment): string
}

/** The object storage for attachments. */
export interface AttachmentStore extends AttachmentLinks {
  /**
   * Inspects a file as it is stored now. Returns its size in bytes and its type as detected from its content.
   * @throws {ParleyError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, ATTACHMENT_NOT_FOUND, STORAGE_UNAVAILABLE
   */
  inspect(conversationId: string, id: string, fileName: string): Promise<{ size: number; type: string }>
}

export interface Presence {
  /** Returns those of `userIds` who are online. */
  online(userIds: string[]): Promise<Set<string>>
}
