import type { ConversationType, Message, Participant, User } from '@parley/protocol'
import type { Absence, OfflineNotice } from './absences.ts'

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

/** A message that reached a client, by whatever way. */
export interface Arrival {
  conversationId: string
  seq: number
  /** Milliseconds since 1970. */
  at: number
}

/** A conversation as somebody has it: a client by what it was told, or the database. */
export interface View {
  type: ConversationType
  name: string | null
  lastSeq: number
  /** The person's own. */
  lastReadSeq: number
  unreadCount: number
  members: ReadonlyMap<string, Pick<Participant, 'role' | 'lastReadSeq'>>
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
  start(): Promise<void>
  stop(): Promise<void>
  /** Resolves when the message is acked; tries for as long as it takes. Rejects with what retrying cannot mend. */
  send(conversationId: string, content: string): Promise<Acked>
  /** Marks what it has of a conversation as read; gives up where that fails. */
  read(conversationId: string): Promise<void>

  /* Each of these is asked for once, and rejects where it was refused or not answered. */
  create(type: ConversationType, participantIds: readonly string[]): Promise<unknown>
  rename(conversationId: string, name: string): Promise<unknown>
  add(conversationId: string, userIds: readonly string[]): Promise<unknown>
  remove(conversationId: string, userId: string): Promise<unknown>

  /** What it has delivered, by conversation and in the order of delivery; each entry was shown to the user once. */
  readonly delivered: ReadonlyMap<string, readonly Seen[]>
  /** All that has reached it since this was emptied. */
  readonly arrivals: Arrival[]
  /** The conversations that it takes its person to be in. */
  views(): ReadonlyMap<string, View>
  /** Those whom it takes for online, itself left out; null while it cannot tell. */
  online(): Promise<Set<string> | null>
  /** Each time it was told that somebody had gone offline; null for a client that does not say. */
  readonly offlineNotices: readonly OfflineNotice[] | null
  /** When it had no connection. */
  readonly absences: readonly Absence[]
  /** What went wrong with it that it should not have met. */
  readonly complaints: string[]
}

/** The server's code of an error that a client met; undefined for one that has none. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
