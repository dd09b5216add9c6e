import type { Message } from '@parley/protocol'
import { describe, expect, it } from 'vitest'
import { AT, ahmed, fatima, messageOf, omar, picture, setting, synced, update } from './one-room.ts'

/* Events and answers that arrive after newer ones. */

function world() {
  const made = setting()
  const read = (userId: string, seq: number, rev: number) =>
    made.inbox.onRead({ conversationId: 'c', messageId: `m${seq}`, seq, rev, userId, userName: '', readAt: AT })
  return { ...made, read }
}

const ALL = ['ahmed OWNER', 'fatima MEMBER', 'omar MEMBER']

describe('a late event or answer', () => {
  it('does not move a read mark back', () => {
    const { inbox, room, read } = world()
    for (const seq of [2, 3]) inbox.onMessage(messageOf('ahmed', seq, seq + 4))
    const shown = () => [room.info.lastReadSeq, room.info.unreadCount, room.marks().get('fatima')]
    for (const userId of ['omar', 'fatima']) read(userId, 3, 9)
    for (const userId of ['omar', 'fatima']) read(userId, 2, 8)
    expect(shown()).toEqual([3, 0, 3])
    inbox.put(picture(10, 3, [ahmed, fatima, omar]))
    expect(shown()).toEqual([3, 0, 3])
    inbox.applySync(synced(10, 3, { members: [{ ...fatima, lastReadSeq: 2, joinedSeq: 0 }], lastReadSeq: 2 }), 5)
    expect(shown()).toEqual([3, 0, 3])
  })

  it('does not move back the read mark of an unlisted member of a large group', () => {
    const { inbox, room, read } = world()
    inbox.put({ ...picture(6, 1, [ahmed, fatima, omar]), participantCount: 1_000 })
    room.timeline.reset([messageOf('ahmed', 1, 5)], false)
    read('zayd', 2, 9)
    read('zayd', 1, 8)
    inbox.onMessage(messageOf('ahmed', 2, 7))
    expect(room.timeline.snapshot().messages.map(({ readBy }) => readBy)).toEqual([
      ['ahmed', 'zayd'],
      ['ahmed', 'zayd'],
    ])
  })

  it('does not show a member of a large group, when first listed, as a reader of earlier messages', () => {
    const { inbox, room } = world()
    const large = { participantCount: 1_000 }
    inbox.put({ ...picture(6, 1, [ahmed, omar]), ...large })
    room.timeline.reset([messageOf('ahmed', 1, 5)], false)
    inbox.put({ ...picture(9, 1, [ahmed, { ...fatima, lastReadSeq: 1 }, omar]), ...large })
    expect(room.timeline.snapshot().messages.map(({ readBy }) => readBy)).toEqual([['ahmed']])
  })

  it('does not lower the unread count', () => {
    const { inbox, room } = world()
    for (const seq of [2, 3]) inbox.onMessage(messageOf('ahmed', seq, seq + 4))
    inbox.applySync(synced(6, 2, {}), 5)
    expect(room.info).toMatchObject({ lastSeq: 3, unreadCount: 3 })
  })

  it('does not replace a newer name', () => {
    const { inbox, room } = world()
    inbox.onUpdated({ ...update(9, {}), name: 'second' })
    inbox.onUpdated({ ...update(7, {}), name: 'first' })
    expect(room.info.name).toBe('second')
  })

  it('does not remove a member who has rejoined since', () => {
    const { inbox, roles } = world()
    inbox.onUpdated(update(3, { removed: ['fatima'] }))
    expect(roles()).toEqual(ALL)
    inbox.put(picture(4, 1, [ahmed, omar]))
    expect(roles()).toEqual(ALL)
  })

  it('changes nothing in a newer snapshot, and causes no request for what the snapshot shows', () => {
    const { inbox, room, roles } = world()
    inbox.put({ ...picture(9, 1, [ahmed, fatima, omar]), name: 'now' })
    room.revisions.saw(6)
    inbox.onUpdated({ ...update(7, { added: ['zayd'], removed: ['fatima'] }), name: 'before' })
    expect(room.info.name).toBe('now')
    expect(roles()).toEqual(ALL)
    expect(room.revisions.upTo).toBe(7)
  })

  it('shows nobody as a reader who has left, or who joined after the message', () => {
    const { inbox, room } = world()
    const readers = () => room.timeline.snapshot().messages.map(({ readBy }) => readBy)
    room.timeline.reset([messageOf('ahmed', 1, 5)], false)
    inbox.put(picture(9, 1, [ahmed, omar]))
    inbox.applySync(synced(7, 1, { members: [{ ...fatima, lastReadSeq: 1, joinedSeq: 0 }] }), 5)
    expect(readers()).toEqual([['ahmed']])
    for (const seq of [2, 3]) inbox.onMessage(messageOf('ahmed', seq, seq + 8))
    inbox.put(picture(12, 3, [ahmed, { ...fatima, lastReadSeq: 2 }, omar]))
    expect(readers()).toEqual([['ahmed'], ['ahmed'], ['ahmed']])
    inbox.applySync(synced(13, 3, { members: [{ ...fatima, lastReadSeq: 3, joinedSeq: 2 }] }), 12)
    expect(readers()).toEqual([['ahmed'], ['ahmed'], ['ahmed', 'fatima']])
    inbox.applySync(synced(15, 3, { gone: ['fatima'] }), 13)
    expect(readers()).toEqual([['ahmed'], ['ahmed'], ['ahmed']])
  })

  it('is superseded by a newer snapshot or sync', () => {
    const { inbox, roles } = world()
    inbox.onUpdated(update(7, { removed: ['fatima'] }))
    inbox.put(picture(9, 3, [ahmed, fatima, omar]))
    expect(roles()).toEqual(ALL)
    inbox.onUpdated(update(11, { removed: ['fatima'] }))
    inbox.applySync(synced(13, 5, { members: [{ ...fatima, joinedSeq: 5 }] }), 5)
    expect(roles().sort()).toEqual(ALL)
  })

  it('does not replace a later last message', () => {
    const { inbox, room } = world()
    inbox.put({ ...picture(7, 3, [ahmed, fatima, omar]), lastMessage: messageOf('ahmed', 3, 7) })
    inbox.onMessage(messageOf('ahmed', 2, 6))
    expect(room.info.lastMessage?.seq).toBe(3)
  })

  it('does not replace a newer version of a message', () => {
    const { inbox, room } = world()
    room.timeline.reset([messageOf('ahmed', 1, 5)], false)
    const version = (rev: number): Message => ({ ...messageOf('ahmed', 2, rev), content: `as of ${rev}` })
    for (const rev of [6, 8, 7]) inbox.onMessage(version(rev))
    expect(room.info.lastMessage?.content).toBe('as of 8')
    expect(room.timeline.snapshot().messages.map(({ content }) => content)).toEqual(['', 'as of 8'])
  })

  it('causes no request for known changes', () => {
    const { inbox, room } = world()
    for (const seq of [2, 3, 4]) inbox.onMessage(messageOf('ahmed', seq, seq + 4))
    inbox.applySync(synced(6, 2, {}), 5)
    expect(room.revisions.upTo).toBe(8)
  })

  it('does not bring back a conversation that the user has left according to a sync', () => {
    const { inbox } = world()
    inbox.leave('c', 5)
    inbox.put(picture(5, 1, [ahmed, fatima, omar]))
    expect(inbox.get('c')).toBeUndefined()
  })
})

it('unread messages no longer count once the user has left their conversation', () => {
  const { inbox } = world()
  inbox.onMessage(messageOf('ahmed', 2, 6))
  const shown = () => [inbox.unread.getSnapshot(), inbox.conversations.getSnapshot().length]
  expect(shown()).toEqual([2, 1])
  inbox.leave('c', 6)
  expect(shown()).toEqual([0, 0])
  expect(inbox.timelines.of('c').getSnapshot().status).toBe('idle')
})

it('messages of a conversation that is new in a sync are delivered, whether received before it or with it', () => {
  const { inbox, delivered } = world()
  const messages = [1, 2, 3].map((seq) => ({ ...messageOf('ahmed', seq, seq + 1), conversationId: 'd' }))
  inbox.onMessage(messages[2] ?? messageOf('ahmed', 3, 4))
  inbox.applySync({ ...synced(3, 2, { joined: true, messages: messages.slice(0, 2) }), id: 'd' }, undefined)
  expect(delivered).toEqual(messages)
})

it('a conversation that appears without its last message has a gap', () => {
  const { inbox } = world()
  inbox.put({ ...picture(4, 3, [ahmed, omar]), id: 'd' })
  expect(inbox.get('d')?.sequence).toMatchObject({ delivered: 0, known: 3, hasGap: true })
})

it('a read mark that reveals a missed change makes a sync due', () => {
  const { read, onHole } = world()
  onHole.mockClear()
  read('fatima', 1, 7)
  expect(onHole).toHaveBeenCalled()
})
