import type { Conversation, Message, Participant, ServerEvents, SyncedConversation } from '@parley/protocol'
import { vi } from 'vitest'
import { Inbox } from '../src/inbox.ts'

export const AT = '2026-01-01T00:00:00.000000Z'

export function person(id: string, change: Partial<Participant> = {}): Participant {
  return {
    id,
    fullName: id,
    profilePhoto: null,
    role: 'MEMBER',
    isOnline: false,
    lastSeen: null,
    lastReadSeq: 0,
    ...change,
  }
}

export function picture(rev: number, lastSeq: number, people: Participant[]): Conversation {
  const counts = { participantCount: people.length, unreadCount: 0, lastSeq, lastReadSeq: 0, rev }
  const fixed = { id: 'c', type: 'GROUP' as const, name: null, createdBy: 'ahmed', lastMessage: null }
  return { ...fixed, ...counts, participants: people, createdAt: AT, updatedAt: AT }
}

export function update(
  rev: number,
  change: { added?: string[]; removed?: string[] },
): ServerEvents['conversationUpdated'] {
  return { conversationId: 'c', rev, name: null, added: [], removed: [], participantCount: 3, ...change }
}

export function synced(rev: number, lastSeq: number, change: Partial<SyncedConversation>): SyncedConversation {
  const { participants: _, lastMessage: __, ...rest } = picture(rev, lastSeq, [])
  const told = { joined: false, tooLong: false, messages: [], members: [], gone: [], joinedSeq: 0 }
  return { ...rest, participantCount: 3, ...told, ...change }
}

export function messageOf(senderId: string, seq: number, rev: number): Message {
  const sender = { id: senderId, fullName: senderId, profilePhoto: null }
  const said = { content: '', type: 'TEXT' as const, attachments: [], readBy: [senderId], system: null }
  const ids = { id: `m${seq}`, conversationId: 'c', clientMessageId: `m${seq}` }
  return { ...ids, ...said, seq, rev, senderId, sender, createdAt: AT, updatedAt: AT }
}

export const [ahmed, fatima, omar] = [person('ahmed', { role: 'OWNER' }), person('fatima'), person('omar')]

/** Omar's client after its first sync. It knows a group of three as of rev 5, with one message. */
export function setting() {
  const [onGap, onHole, onLeft] = [vi.fn(), vi.fn(), vi.fn()]
  const ignore = () => undefined
  const delivered: Message[] = []
  const onMessage = (message: Message) => delivered.push(message)
  const told = {
    onWatched: ignore,
    onMessage,
    onJoined: ignore,
    onPeople: ignore,
    onLost: ignore,
    onGap,
    onHole,
    onLeft,
  }
  const inbox = new Inbox({ userId: () => 'omar', online: () => new Set(), windowSize: 10, ...told })
  inbox.put(picture(5, 1, [ahmed, fatima, omar]))
  const room = inbox.get('c')
  if (room === undefined) throw new Error('no room')
  inbox.complete = true
  const roles = () => room.info.participants.map(({ id, role }) => `${id} ${role}`)
  /** Runs a sync without any news. */
  const sync = (endsAt?: number) => {
    inbox.beginSync()
    inbox.finishSync(endsAt)
  }
  return { inbox, room, roles, delivered, sync, onGap, onHole, onLeft }
}
