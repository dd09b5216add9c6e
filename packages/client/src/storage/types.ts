/** A message that the server has not stored yet. */
export interface OutboxEntry {
  /** Idempotency key: the server stores one message per id. */
  readonly clientMessageId: string
  readonly conversationId: string
  readonly content: string
  readonly type?: 'TEXT' | 'FILE' | 'IMAGE' | 'VIDEO' | 'AUDIO'
  /** Ids of attachments that have been uploaded. */
  readonly attachmentIds?: readonly string[]
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Position in the order in which messages were sent; ascending. */
  readonly order: number
}

/** Keeps messages that the server has not stored yet, so that they survive a reload. Calls may overlap. */
export interface OutboxStorage {
  /** Returns the entries kept for a user, in any order. */
  load(userId: string): Promise<OutboxEntry[]>
  put(userId: string, entry: OutboxEntry): Promise<void>
  /** Does nothing if there is no such entry. */
  remove(userId: string, clientMessageId: string): Promise<void>
}
