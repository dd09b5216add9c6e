import type { Message, ParticipantRole, SyncAnswer, SyncedConversation } from '@parley/protocol'
import type { View } from './client.ts'

interface Entry extends Omit<View, 'unreadCount'> {
  rev: number
  members: Map<string, { role: ParticipantRole; lastReadSeq: number }>
  /** How far each sender has read according to their own messages, which may arrive before the sync that lists them. */
  wrote: Map<string, number>
}

/** A person's conversations according to `sync`, with the minimum that new messages imply. */
export class Ledger {
  readonly #userId: string
  readonly #entries = new Map<string, Entry>()

  constructor(userId: string) {
    this.#userId = userId
  }

  /** The revs to send in a `sync`. */
  get known(): Record<string, number> {
    return Object.fromEntries([...this.#entries].map(([id, { rev }]) => [id, rev]))
  }

  get ids(): string[] {
    return [...this.#entries.keys()]
  }

  /** @returns the conversations that are new */
  apply({ conversations, left }: SyncAnswer): string[] {
    for (const id of left) this.#entries.delete(id)
    for (const synced of conversations) this.#entries.set(synced.id, merged(this.#entries.get(synced.id), synced))
    return conversations.filter(({ joined }) => joined).map(({ id }) => id)
  }

  /**
   * Records a message. Its sender has read up to it, unless a server acted for them.
   * @returns false for an unknown conversation
   */
  saw({
    conversationId,
    seq,
    senderId,
    system,
  }: Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'system'>): boolean {
    const entry = this.#entries.get(conversationId)
    if (entry === undefined) return false
    entry.lastSeq = Math.max(entry.lastSeq, seq)
    if (system?.byService === true) return true
    if (senderId === this.#userId) entry.lastReadSeq = Math.max(entry.lastReadSeq, seq)
    entry.wrote.set(senderId, Math.max(entry.wrote.get(senderId) ?? 0, seq))
    const sender = entry.members.get(senderId)
    if (sender !== undefined) sender.lastReadSeq = Math.max(sender.lastReadSeq, seq)
    return true
  }

  views(): Map<string, View> {
    return new Map(
      [...this.#entries].map(([id, { rev: _, wrote: __, ...entry }]) => [
        id,
        { ...entry, unreadCount: Math.max(0, entry.lastSeq - entry.lastReadSeq) },
      ]),
    )
  }
}

function merged(before: Entry | undefined, synced: SyncedConversation): Entry {
  const { type, name, rev, joined } = synced
  const members = new Map(joined ? [] : before?.members)
  const wrote = before?.wrote ?? new Map()
  for (const { id, role, lastReadSeq } of synced.members) {
    const known = Math.max(members.get(id)?.lastReadSeq ?? 0, wrote.get(id) ?? 0)
    members.set(id, { role, lastReadSeq: Math.max(lastReadSeq, known) })
  }
  for (const id of synced.gone) members.delete(id)
  // A message may have arrived after the answer was created.
  const lastSeq = Math.max(synced.lastSeq, before?.lastSeq ?? 0)
  const lastReadSeq = Math.max(synced.lastReadSeq, before?.lastReadSeq ?? 0)
  return { type, name, rev, lastSeq, lastReadSeq, members, wrote }
}
