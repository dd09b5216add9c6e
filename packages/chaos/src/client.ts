import type { ConversationType, Message, Participant, User } from '@parley/protocol'
import type { Absence, OfflineNotice } from './absences.ts'

/** A message as the client's user would see it. */
export type Seen = Pick<Message, 'id' | 'seq' | 'senderId' | 'content'>

/** What was sent, and the values from its ack. */
export interface Acked {
  conversationId: string
  senderId: string
  content: string
  id: string
  seq: number
}

/** A message that reached a client by any route. */
export interface Arrival {
  conversationId: string
  seq: number
  /** Milliseconds since 1970. */
  at: number
}

/** A conversation according to a client, or to the database. */
export interface View {
  type: ConversationType
  name: string | null
  lastSeq: number
  /** The person's own read mark. */
  lastReadSeq: number
  unreadCount: number
  members: ReadonlyMap<string, Pick<Participant, 'role' | 'lastReadSeq'>>
}

/**
 * A client under test, of any implementation. It reconnects and catches up by itself after every fault, and is not told of
 * faults.
 */
export interface ChaosClient {
  readonly user: User
  /** Describes its implementation and state, for the report. */
  describe(): string
  /** Resolves when it has connected for the first time. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Resolves when the message is acked; retries indefinitely. Rejects with an error that a retry would not fix. */
  send(conversationId: string, content: string): Promise<Acked>
  /** Marks everything it has of a conversation as read; ignores failures. */
  read(conversationId: string): Promise<void>

  /* The following make one request each, and reject if it is refused or unanswered. */
  create(type: ConversationType, participantIds: readonly string[]): Promise<unknown>
  rename(conversationId: string, name: string): Promise<unknown>
  add(conversationId: string, userIds: readonly string[]): Promise<unknown>
  remove(conversationId: string, userId: string): Promise<unknown>

  /** The messages shown to the user, by conversation and in the order of delivery. */
  readonly delivered: ReadonlyMap<string, readonly Seen[]>
  /** Everything that has arrived since this was last emptied. */
  readonly arrivals: Arrival[]
  /** The conversations of its person, in its own view. */
  views(): ReadonlyMap<string, View>
  /** The people it considers online, without its own person; null if it cannot tell. */
  online(): Promise<Set<string> | null>
  /** Each notice that somebody went offline; null for a client that does not expose them. */
  readonly offlineNotices: readonly OfflineNotice[] | null
  /** When it had no connection. */
  readonly absences: readonly Absence[]
  /** Its problems that should not have occurred. */
  readonly complaints: string[]
}

/** Returns the server's error code of an error; undefined if it has none. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
