import type { Message, User } from '@parley/protocol'

/** A message as a client's user would see it. */
export type Seen = Pick<Message, 'id' | 'seq' | 'senderId' | 'content'>

/** What was sent, and what its ack said. */
export interface Acked {
  conversationId: string
  senderId: string
  content: string
  id: string
  seq: number
}

/**
 * A client under test, of whatever make. It comes back by itself after every fault, catches up by itself, and is never
 * told that anything is wrong.
 */
export interface ChaosClient {
  readonly user: User
  /** Its make and how it stands, for the report. */
  describe(): string
  /** Resolves when it is connected for the first time. */
  start(conversationIds: readonly string[]): Promise<void>
  stop(): Promise<void>
  /** Resolves when the message is acked; tries for as long as it takes. Rejects with what retrying cannot mend. */
  send(conversationId: string, content: string): Promise<Acked>
  /** What it has delivered of a conversation, in the order of delivery; each entry was shown to the user once. */
  delivered(conversationId: string): readonly Seen[]
  /** Conversations that it got messages of. */
  conversations(): string[]
  /** Those whom it takes for online, itself left out; null while it cannot tell. */
  online(): Promise<Set<string> | null>
  /** How often it was told that somebody had gone offline. */
  readonly offlineNotices: number
  /** Marks what it has of a conversation as read; gives up where that fails. */
  read(conversationId: string): Promise<void>
  /** Unread messages by conversation as it counts them; null for a client that does not. */
  unread(): ReadonlyMap<string, number> | null
  /** What went wrong with it that it should not have met. */
  readonly complaints: string[]
}
