import type { Conversation, Message } from '@parley/protocol'
import type { ConnectionState } from './connection.ts'
import type { ParleyClientError } from './errors.ts'
import type { PendingMessage } from './outbox.ts'
import type { OutboxStorage } from './storage/types.ts'
import type { TimelineSnapshot } from './timeline.ts'

export interface ParleyClientOptions {
  /** The cluster's public address, such as `https://chat.example.com`: without a path. */
  url: string
  /**
   * Gives a token of the person who uses the application. Called for the first connection, about a minute before a token
   * ends, and when the server refuses one.
   */
  getToken: () => string | Promise<string>
  /** Keeps messages that are not stored yet. Default: in memory. */
  storage?: OutboxStorage | undefined
  /** Stands in for the platform's `fetch`. */
  fetch?: typeof globalThis.fetch | undefined
  /** Options for Socket.IO and Engine.IO, such as `extraHeaders`, `agent` or `transports`. */
  socketOptions?: Record<string, unknown> | undefined
  /** Messages held of each conversation that is looked at. Default 500. */
  windowSize?: number | undefined
  /** Timelines kept though nobody looks at them. Default 20. */
  keptTimelines?: number | undefined
  /**
   * After having been away: up to this many messages of a conversation are fetched and delivered one by one; where there
   * are more, `skipped` tells which were not. Default 5,000.
   */
  catchUpLimit?: number | undefined
}

/** What a {@link ParleyClient} tells; see `client.on`. */
export interface ClientEvents {
  /** The connection's state has changed. */
  state: ConnectionState
  /** A message that was stored, one's own too: each once, in the order of seq within its conversation. */
  message: Message
  /** The person is in a new conversation. */
  joined: Conversation
  /** The person is no longer in a conversation. */
  left: { conversationId: string }
  /** After a long absence these messages were not delivered one by one; `loadOlder` shows them. Both ends included. */
  skipped: { conversationId: string; fromSeq: number; toSeq: number }
  /** Something failed that nobody waits for: a connection, a token, a storage. The client goes on by itself. */
  error: ParleyClientError
}

/** What a conversation's store holds. */
export interface MessagesSnapshot extends TimelineSnapshot {
  /** One's own messages that are not stored yet, in the order in which they will be. */
  readonly pending: readonly PendingMessage[]
}

export interface SendOptions {
  type?: 'TEXT' | 'FILE' | 'IMAGE' | 'VIDEO' | 'AUDIO' | undefined
  /** Ids of attachments, as `upload` gives them. */
  attachmentIds?: readonly string[] | undefined
  /** Made by the client where it is not given. The same id stores a message once. */
  clientMessageId?: string | undefined
}

/** One page of a list, pages counted from 1, and how much there is in all. */
export interface Page<T> {
  readonly data: readonly T[]
  readonly page: number
  readonly limit: number
  readonly total: number
}
