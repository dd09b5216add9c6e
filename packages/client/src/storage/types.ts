/** A message on its way to the server, as it is kept. */
export interface OutboxEntry {
  /** Makes a second try of the same message store it once. */
  readonly clientMessageId: string
  readonly conversationId: string
  readonly content: string
  readonly type?: 'TEXT' | 'FILE' | 'IMAGE' | 'VIDEO' | 'AUDIO'
  /** Ids of attachments that were uploaded before. */
  readonly attachmentIds?: readonly string[]
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Place in the order in which messages were sent; rises. */
  readonly order: number
}

/** Keeps messages that the server has not stored yet, so that they outlive a reload. Calls may overlap. */
export interface OutboxStorage {
  /** What was kept for this person, in any order. */
  load(userId: string): Promise<OutboxEntry[]>
  put(userId: string, entry: OutboxEntry): Promise<void>
  /** Nothing happens where it is not there. */
  remove(userId: string, clientMessageId: string): Promise<void>
}
