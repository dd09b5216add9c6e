import { describe, expect, it, vi } from 'vitest'
import { CatchUp } from '../src/catch-up.ts'
import { AT, ahmed, fatima, messageOf, omar, person, picture, setting, synced, update } from './one-room.ts'

type Setting = ReturnType<typeof setting>

/* What is told of one conversation, in an order in which it was not made. */

describe('a conversation', () => {
  it('stays where one was put back before one hears of having been taken out', () => {
    const { inbox, room, onLeft } = setting()
    inbox.put(picture(9, 3, [ahmed, fatima, omar]))
    inbox.onUpdated(update(7, { removed: ['omar'] }))
    expect(onLeft).not.toHaveBeenCalled()
    expect(inbox.get('c')).toBe(room)
    expect(room.revisions.upTo).toBe(7)
  })

  it('stays until a sync says otherwise where one heard of what came after having been taken out', () => {
    const { inbox, room, onLeft, onHole } = setting()
    inbox.onRead({ conversationId: 'c', messageId: 'm', seq: 1, rev: 12, userId: 'fatima', userName: '', readAt: AT })
    onHole.mockClear()
    inbox.onUpdated(update(7, { removed: ['omar'] }))
    expect(onLeft).not.toHaveBeenCalled()
    expect(inbox.get('c')).toBe(room)
    expect(onHole).toHaveBeenCalled()
  })

  it('does not come back with an answer that was made before one was taken out', () => {
    const { inbox, onLeft } = setting()
    inbox.onUpdated(update(9, { removed: ['omar'] }))
    expect(onLeft).toHaveBeenCalledOnce()
    expect(inbox.put(picture(7, 1, [ahmed, fatima, omar]))).toMatchObject({ rev: 7 })
    expect(inbox.applySync(synced(7, 1, { joined: true, members: [] }), undefined)).toBeUndefined()
    expect(inbox.get('c')).toBeUndefined()
    inbox.put(picture(11, 3, [ahmed, fatima, omar]))
    expect(inbox.get('c')?.info.rev).toBe(11)
  })

  it('is asked for where one hears a message of it and nothing else, and then has that message', () => {
    const { inbox, delivered, onHole, sync } = setting()
    sync()
    onHole.mockClear()
    const message = { ...messageOf('ahmed', 1, 2), conversationId: 'd' }
    inbox.onMessage(message)
    expect(onHole).toHaveBeenCalled()
    sync()
    expect(inbox.holeSince).toBeDefined()
    inbox.put({ ...picture(2, 1, [ahmed, omar]), id: 'd' })
    expect(delivered).toEqual([message])
    sync()
    expect(inbox.holeSince).toBeUndefined()
  })

  it('is not asked for again and again where one hears a message of it and is not in it', () => {
    const { inbox, sync } = setting()
    inbox.onMessage({ ...messageOf('ahmed', 1, 2), conversationId: 'd' })
    sync(performance.now() + 5_000)
    expect(inbox.holeSince).toBeUndefined()
  })

  it('comes first where it is the newest in which something has happened', () => {
    const { inbox } = setting()
    const order = () => inbox.conversations.getSnapshot().map(({ id }) => id)
    inbox.put({ ...picture(1, 0, [ahmed, omar]), id: 'd', updatedAt: '2026-01-02T00:00:00.000000Z' })
    expect(order()).toEqual(['d', 'c'])
    inbox.onMessage({ ...messageOf('ahmed', 2, 6), createdAt: '2026-01-03T00:00:00.000000Z' })
    expect(order()).toEqual(['c', 'd'])
  })

  it('has all of its people with a whole picture of the state that is known', () => {
    const { inbox, roles } = setting()
    inbox.put(picture(5, 1, [ahmed, fatima, person('zayd'), omar]))
    expect(roles()).toEqual(['ahmed OWNER', 'fatima MEMBER', 'zayd MEMBER', 'omar MEMBER'])
  })

  it('shows its last message as it was changed', () => {
    const { inbox, room } = setting()
    inbox.onMessage(messageOf('ahmed', 2, 6))
    inbox.onMessage({ ...messageOf('ahmed', 2, 7), content: 'changed' })
    expect(room.info.lastMessage?.content).toBe('changed')
  })

  it('fetches the messages that a picture shows to be missing', () => {
    const { inbox, room, onGap } = setting()
    inbox.put(picture(9, 3, [ahmed, fatima, omar]))
    expect(room.sequence.hasGap).toBe(true)
    expect(onGap).toHaveBeenCalledWith(room)
  })

  it('asks who the owner is where the owner has gone, also when all else is known', () => {
    const { inbox, room, roles, onHole } = setting()
    room.revisions.saw(6)
    inbox.onUpdated(update(7, { removed: ['ahmed'] }))
    expect(roles()).toEqual(['fatima MEMBER', 'omar MEMBER'])
    expect(onHole).toHaveBeenCalled()
    const heir = { ...fatima, role: 'OWNER' as const, joinedSeq: 0 }
    inbox.applySync(synced(7, 2, { members: [heir], gone: ['ahmed'] }), 6)
    expect(roles()).toEqual(['fatima OWNER', 'omar MEMBER'])
  })

  it('asks about who was added again, where their going is heard of later or not at all', () => {
    const { inbox, room, onHole } = setting()
    inbox.onUpdated(update(9, { added: ['fatima'] }))
    inbox.onUpdated(update(7, { removed: ['fatima'] }))
    for (const rev of [6, 9]) room.revisions.saw(rev)
    expect(room.revisions.upTo).toBe(7)
    expect(onHole).toHaveBeenCalled()
  })

  it('does not bring back whom an answer knows that was made before they went', () => {
    const { inbox, roles } = setting()
    inbox.onUpdated(update(9, { removed: ['fatima'] }))
    inbox.applySync(synced(7, 1, { members: [{ ...fatima, lastReadSeq: 1, joinedSeq: 0 }] }), 5)
    expect(roles()).toEqual(['ahmed OWNER', 'omar MEMBER'])
    inbox.put(picture(7, 1, [ahmed, fatima, omar]))
    expect(roles()).toEqual(['ahmed OWNER', 'omar MEMBER'])
  })

  it('does not take away whom an answer knows to be gone that was made before a picture', () => {
    const { inbox, roles } = setting()
    inbox.put(picture(9, 1, [ahmed, fatima, omar]))
    inbox.applySync(synced(7, 1, { gone: ['fatima'] }), 5)
    expect(roles()).toEqual(['ahmed OWNER', 'fatima MEMBER', 'omar MEMBER'])
    inbox.applySync(synced(11, 1, { gone: ['fatima'] }), 9)
    expect(roles()).toEqual(['ahmed OWNER', 'omar MEMBER'])
  })

  it('shows who has read what is heard of after their mark, and nobody whose mark is heard of after they went', () => {
    const { inbox, room } = setting()
    const readers = () => room.timeline.snapshot().messages.map(({ readBy }) => readBy)
    const read = (userId: string, seq: number, rev: number) =>
      inbox.onRead({ conversationId: 'c', messageId: `m${seq}`, seq, rev, userId, userName: '', readAt: AT })
    room.timeline.reset([messageOf('ahmed', 1, 5)], false)
    read('fatima', 2, 7)
    inbox.onMessage(messageOf('ahmed', 2, 6))
    expect(readers()).toEqual([
      ['ahmed', 'fatima'],
      ['ahmed', 'fatima'],
    ])
    inbox.onUpdated(update(11, { removed: ['fatima'] }))
    inbox.onMessage(messageOf('ahmed', 3, 8))
    read('fatima', 3, 9)
    expect(readers()).toEqual([['ahmed'], ['ahmed'], ['ahmed']])
  })

  it('shows nobody who has left and come back as a reader of what was there before that', () => {
    const { inbox, room } = setting()
    const readers = () => room.timeline.snapshot().messages.map(({ readBy }) => readBy)
    room.timeline.reset([messageOf('ahmed', 1, 5)], false)
    inbox.onRead({ conversationId: 'c', messageId: 'm1', seq: 1, rev: 6, userId: 'fatima', userName: '', readAt: AT })
    inbox.onMessage(messageOf('ahmed', 2, 8))
    expect(readers()).toEqual([['ahmed', 'fatima'], ['ahmed']])
    inbox.applySync(synced(10, 2, { members: [{ ...fatima, lastReadSeq: 2, joinedSeq: 2 }] }), 6)
    expect(readers()).toEqual([['ahmed'], ['ahmed']])
  })

  const zara = person('zara', { lastReadSeq: 1 })
  it.each([
    ['sync', ({ inbox }: Setting) => inbox.applySync(synced(7, 1, { members: [{ ...zara, joinedSeq: 1 }] }), 6)],
    ['picture', ({ inbox }: Setting) => inbox.put(picture(7, 1, [ahmed, fatima, zara, omar]))],
  ])('shows how far somebody has read who was heard of before the %s that lists them', (_, list) => {
    for (const author of ['zara', 'ahmed']) {
      const client = setting()
      const { inbox, room } = client
      room.timeline.reset([messageOf('ahmed', 1, 5)], false)
      inbox.onMessage(messageOf(author, 2, 8))
      const receipt = { conversationId: 'c', messageId: 'm2', seq: 2, rev: 9, userName: '', readAt: AT }
      if (author !== 'zara') inbox.onRead({ ...receipt, userId: 'zara' })
      inbox.onRead({ ...receipt, userId: 'zara', seq: 1, rev: 10 })
      inbox.applySync(synced(6, 1, {}), 5)
      list(client)
      expect(room.marks().get('zara')).toBe(2)
      const readers = room.timeline.snapshot().messages.map(({ readBy }) => readBy)
      expect(readers).toEqual([['ahmed'], author === 'zara' ? ['zara'] : ['ahmed', 'zara']])
    }
  })

  it('is as unread as before, and by one more, where a server changes it in one’s name', () => {
    const { inbox, room } = setting()
    const renamed = { event: 'renamed' as const, name: 'Renamed' }
    inbox.onMessage({ ...messageOf('omar', 2, 6), type: 'SYSTEM', system: { ...renamed, byService: true } })
    expect(room.info).toMatchObject({ lastReadSeq: 0, unreadCount: 2 })
    inbox.onMessage({ ...messageOf('omar', 3, 7), type: 'SYSTEM', system: renamed })
    expect(room.info).toMatchObject({ lastReadSeq: 3, unreadCount: 0 })
  })

  it('keeps what events told of after an answer was made that comes late', () => {
    const { inbox, room } = setting()
    const later = '2026-01-02T00:00:00.000000Z'
    inbox.onMessage({ ...messageOf('ahmed', 2, 7), createdAt: later })
    inbox.onRead({ conversationId: 'c', messageId: '', seq: 2, rev: 8, userId: 'fatima', userName: '', readAt: AT })
    inbox.put(picture(6, 1, [ahmed, fatima, omar]))
    expect(room.info).toMatchObject({ lastSeq: 2, updatedAt: later })
    expect(room.marks().get('fatima')).toBe(2)
  })

  it('asks for what is missing though the clock of the device is set back meanwhile', async () => {
    vi.useFakeTimers()
    try {
      const { inbox, room } = setting()
      const call = vi.fn(async () => ({ conversations: [], left: [], hasMore: false, after: null }))
      const ignore = () => undefined
      const told = { onSkipped: ignore, onError: ignore }
      const catchUp = new CatchUp({ http: undefined as never, inbox, call, connected: () => true, limit: 10, ...told })
      room.revisions.saw(7)
      catchUp.holeSeen()
      vi.setSystemTime(Date.now() - 3_600_000)
      await vi.advanceTimersByTimeAsync(5_000)
      expect(call).toHaveBeenCalled()
      catchUp.stop()
    } finally {
      vi.useRealTimers()
    }
  })

  it('asks once what changed between the picture that it came up with and one’s being in its room', async () => {
    vi.useFakeTimers()
    try {
      const { inbox, room, onHole } = setting()
      expect(onHole).toHaveBeenCalled()
      const members = [{ ...fatima, lastReadSeq: 1, joinedSeq: 0 }]
      const answer = { conversations: [synced(6, 1, { members })], left: [], hasMore: false, after: null }
      const call = vi.fn(async () => answer)
      const ignore = () => undefined
      const told = { onSkipped: ignore, onError: ignore }
      const catchUp = new CatchUp({ http: undefined as never, inbox, call, connected: () => true, limit: 10, ...told })
      catchUp.holeSeen()
      await vi.advanceTimersByTimeAsync(5_000)
      expect(call.mock.calls).toEqual([[{ conversations: { c: 5 }, after: null, until: null }]])
      expect(room.marks().get('fatima')).toBe(1)
      catchUp.holeSeen()
      await vi.advanceTimersByTimeAsync(5_000)
      expect(call).toHaveBeenCalledOnce()
      catchUp.stop()
    } finally {
      vi.useRealTimers()
    }
  })

  it('says of nobody when they were last seen who went unheard, until it is told', () => {
    const { inbox, room } = setting()
    inbox.setOnline('fatima', true, AT)
    inbox.setAllOnline(new Set(['ahmed']))
    const seen = () => room.info.participants.map(({ id, isOnline, lastSeen }) => [id, isOnline, lastSeen])
    expect(seen()).toEqual([
      ['ahmed', true, expect.any(String)],
      ['fatima', false, null],
      ['omar', false, null],
    ])
    inbox.setOnline('fatima', false, AT)
    expect(seen()[1]).toEqual(['fatima', false, AT])
  })

  it('stays, however often one is put back between a sync and its answer that one is not in it', async () => {
    const { inbox, room, onLeft } = setting()
    const none = { conversations: [], left: [] as string[], hasMore: false, after: null }
    const answers = [
      () => inbox.put(picture(9, 1, [ahmed, fatima, omar])),
      undefined,
      () => inbox.put(picture(13, 1, [ahmed, fatima, omar])),
      undefined,
    ]
    const catchUp = new CatchUp({
      http: undefined as never,
      inbox,
      call: async () => {
        const meanwhile = answers.shift()
        meanwhile?.()
        return meanwhile === undefined ? none : { ...none, left: ['c'] }
      },
      connected: () => true,
      limit: 10,
      onSkipped: () => undefined,
      onError: () => undefined,
    })
    await catchUp.sync()
    await catchUp.sync()
    expect(answers).toEqual([])
    expect(onLeft).not.toHaveBeenCalled()
    expect(inbox.get('c')).toBe(room)
    catchUp.stop()
  })
})
