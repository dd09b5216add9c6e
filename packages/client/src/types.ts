import type { Conversation, Message } from '@parley/protocol'
import type { ConnectionState } from './connection.ts'
import type { ParleyClientError } from './errors.ts'
import type { PendingMessage } from './outbox.ts'
import type { OutboxStorage } from './storage/types.ts'
import type { TimelineSnapshot } from './timeline.ts'

export interface ParleyClientOptions {
  /** The cluster's public address, without a path: `https://chat.example.com`. */
  url: string
  /**
   * Returns a token for the application's user. Called for the first connection, about a minute before a token expires, and
   * when the server refuses one.
   */
  getToken: () => string | Promise<string>
  /** Keeps messages that the server has not stored yet. Default: in memory. */
  storage?: OutboxStorage | undefined
  /** Replaces the platform's `fetch`. */
  fetch?: typeof globalThis.fetch | undefined
  /** Options for Socket.IO and Engine.IO, such as `extraHeaders`, `agent` or `transports`. */
  socketOptions?: Record<string, unknown> | undefined
  /** Messages held per open conversation. Default 500. */
  windowSize?: number | undefined
  /** Timelines kept without a subscriber. Default 20. */
  keptTimelines?: number | undefined
  /**
   * How many missed messages of a conversation are fetched and delivered one by one after an absence. If there are more, a
   * `skipped` event names the ones left out. Default 5,000.
   */
  catchUpLimit?: number | undefined
}

/** The events of a {@link ParleyClient}; see `client.on`. */
export interface ClientEvents {
  /** The connection's state has changed. */
  state: ConnectionState
  /** A message was stored, by this user or another. Emitted once for each, in seq order within its conversation. */
  message: Message
  /** The user is in a new conversation. */
  joined: Conversation
  /** The user is no longer in a conversation. */
  left: { conversationId: string }
  /** Too many messages were missed to deliver these one by one; `loadOlder` shows them. Both ends are inclusive. */
  skipped: { conversationId: string; fromSeq: number; toSeq: number }
  /** Something failed in the background: a connection, a token, a storage. The client recovers by itself. */
  error: ParleyClientError
}

/** The content of a conversation's store. */
export interface MessagesSnapshot extends TimelineSnapshot {
  /** The user's own messages that are not stored yet, in the order in which they will be. */
  readonly pending: readonly PendingMessage[]
}

export interface SendOptions {
  type?: 'TEXT' | 'FILE' | 'IMAGE' | 'VIDEO' | 'AUDIO' | undefined
  /** Ids of attachments, as returned by `upload`. */
  attachmentIds?: readonly string[] | undefined
  /** Idempotency key: a message is stored once per id. Default: a random UUID. */
  clientMessageId?: string | undefined
}

/** One page of a list. Pages count from 1; `total` is the number of items on all pages. */
export interface Page<T> {
  readonly data: readonly T[]
  readonly page: number
  readonly limit: number
  readonly total: number
}
