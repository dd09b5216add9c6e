import { describe, expect, it, vi } from 'vitest'
import { CatchUp } from '../src/catch-up.ts'
import { AT, ahmed, fatima, messageOf, omar, person, picture, setting, synced, update } from './one-room.ts'

type Setting = ReturnType<typeof setting>

/* Events and answers about one conversation that arrive out of order. */

describe('a conversation', () => {
  it('stays if the user was added again before the event of the removal arrives', () => {
    const { inbox, room, onLeft } = setting()
    inbox.put(picture(9, 3, [ahmed, fatima, omar]))
    inbox.onUpdated(update(7, { removed: ['omar'] }))
    expect(onLeft).not.toHaveBeenCalled()
    expect(inbox.get('c')).toBe(room)
    expect(room.revisions.upTo).toBe(7)
  })

  it('stays until a sync decides, if an event from after the removal arrived before that of the removal', () => {
    const { inbox, room, onLeft, onHole } = setting()
    inbox.onRead({ conversationId: 'c', messageId: 'm', seq: 1, rev: 12, userId: 'fatima', userName: '', readAt: AT })
    onHole.mockClear()
    inbox.onUpdated(update(7, { removed: ['omar'] }))
    expect(onLeft).not.toHaveBeenCalled()
    expect(inbox.get('c')).toBe(room)
    expect(onHole).toHaveBeenCalled()
  })

  it('does not come back with an answer from before the removal of the user', () => {
    const { inbox, onLeft } = setting()
    inbox.onUpdated(update(9, { removed: ['omar'] }))
    expect(onLeft).toHaveBeenCalledOnce()
    expect(inbox.put(picture(7, 1, [ahmed, fatima, omar]))).toMatchObject({ rev: 7 })
    expect(inbox.applySync(synced(7, 1, { joined: true, members: [] }), undefined)).toBeUndefined()
    expect(inbox.get('c')).toBeUndefined()
    inbox.put(picture(11, 3, [ahmed, fatima, omar]))
    expect(inbox.get('c')?.info.rev).toBe(11)
  })

  it('is requested when a message of an unknown conversation arrives, and then has that message', () => {
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

  it('is not requested again and again if a message arrives of one that the user is not in', () => {
    const { inbox, sync } = setting()
    inbox.onMessage({ ...messageOf('ahmed', 1, 2), conversationId: 'd' })
    sync(performance.now() + 5_000)
    expect(inbox.holeSince).toBeUndefined()
  })

  it('is sorted by latest activity', () => {
    const { inbox } = setting()
    const order = () => inbox.conversations.getSnapshot().map(({ id }) => id)
    inbox.put({ ...picture(1, 0, [ahmed, omar]), id: 'd', updatedAt: '2026-01-02T00:00:00.000000Z' })
    expect(order()).toEqual(['d', 'c'])
    inbox.onMessage({ ...messageOf('ahmed', 2, 6), createdAt: '2026-01-03T00:00:00.000000Z' })
    expect(order()).toEqual(['c', 'd'])
  })

  it('lists all members from a full snapshot of the known state', () => {
    const { inbox, roles } = setting()
    inbox.put(picture(5, 1, [ahmed, fatima, person('zayd'), omar]))
    expect(roles()).toEqual(['ahmed OWNER', 'fatima MEMBER', 'zayd MEMBER', 'omar MEMBER'])
  })

  it('shows its last message as changed', () => {
    const { inbox, room } = setting()
    inbox.onMessage(messageOf('ahmed', 2, 6))
    inbox.onMessage({ ...messageOf('ahmed', 2, 7), content: 'changed' })
    expect(room.info.lastMessage?.content).toBe('changed')
  })

  it('fetches messages that a snapshot reveals to be missing', () => {
    const { inbox, room, onGap } = setting()
    inbox.put(picture(9, 3, [ahmed, fatima, omar]))
    expect(room.sequence.hasGap).toBe(true)
    expect(onGap).toHaveBeenCalledWith(room)
  })

  it('asks for the new owner when the owner has left, even if everything else is known', () => {
    const { inbox, room, roles, onHole } = setting()
    room.revisions.saw(6)
    inbox.onUpdated(update(7, { removed: ['ahmed'] }))
    expect(roles()).toEqual(['fatima MEMBER', 'omar MEMBER'])
    expect(onHole).toHaveBeenCalled()
    const heir = { ...fatima, role: 'OWNER' as const, joinedSeq: 0 }
    inbox.applySync(synced(7, 2, { members: [heir], gone: ['ahmed'] }), 6)
    expect(roles()).toEqual(['fatima OWNER', 'omar MEMBER'])
  })

  it('asks about a member who was added again, if the removal is reported later or not at all', () => {
    const { inbox, room, onHole } = setting()
    inbox.onUpdated(update(9, { added: ['fatima'] }))
    inbox.onUpdated(update(7, { removed: ['fatima'] }))
    for (const rev of [6, 9]) room.revisions.saw(rev)
    expect(room.revisions.upTo).toBe(7)
    expect(onHole).toHaveBeenCalled()
  })

  it('does not bring back a member listed in an answer from before they left', () => {
    const { inbox, roles } = setting()
    inbox.onUpdated(update(9, { removed: ['fatima'] }))
    inbox.applySync(synced(7, 1, { members: [{ ...fatima, lastReadSeq: 1, joinedSeq: 0 }] }), 5)
    expect(roles()).toEqual(['ahmed OWNER', 'omar MEMBER'])
    inbox.put(picture(7, 1, [ahmed, fatima, omar]))
    expect(roles()).toEqual(['ahmed OWNER', 'omar MEMBER'])
  })

  it('does not remove a member reported gone in an answer older than a snapshot', () => {
    const { inbox, roles } = setting()
    inbox.put(picture(9, 1, [ahmed, fatima, omar]))
    inbox.applySync(synced(7, 1, { gone: ['fatima'] }), 5)
    expect(roles()).toEqual(['ahmed OWNER', 'fatima MEMBER', 'omar MEMBER'])
    inbox.applySync(synced(11, 1, { gone: ['fatima'] }), 9)
    expect(roles()).toEqual(['ahmed OWNER', 'omar MEMBER'])
  })

  it('shows readers of messages that arrive after their mark, and ignores marks that arrive after a member left', () => {
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

  it('does not show a member who left and rejoined as a reader of earlier messages', () => {
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
    ['snapshot', ({ inbox }: Setting) => inbox.put(picture(7, 1, [ahmed, fatima, zara, omar]))],
  ])('shows the read mark of a member whose event arrived before the %s that lists them', (_, list) => {
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

  it('counts a change that a service made on behalf of the user as unread', () => {
    const { inbox, room } = setting()
    const renamed = { event: 'renamed' as const, name: 'Renamed' }
    inbox.onMessage({ ...messageOf('omar', 2, 6), type: 'SYSTEM', system: { ...renamed, byService: true } })
    expect(room.info).toMatchObject({ lastReadSeq: 0, unreadCount: 2 })
    inbox.onMessage({ ...messageOf('omar', 3, 7), type: 'SYSTEM', system: renamed })
    expect(room.info).toMatchObject({ lastReadSeq: 3, unreadCount: 0 })
  })

  it('keeps what events reported after the time of a late answer', () => {
    const { inbox, room } = setting()
    const later = '2026-01-02T00:00:00.000000Z'
    inbox.onMessage({ ...messageOf('ahmed', 2, 7), createdAt: later })
    inbox.onRead({ conversationId: 'c', messageId: '', seq: 2, rev: 8, userId: 'fatima', userName: '', readAt: AT })
    inbox.put(picture(6, 1, [ahmed, fatima, omar]))
    expect(room.info).toMatchObject({ lastSeq: 2, updatedAt: later })
    expect(room.marks().get('fatima')).toBe(2)
  })

  it('asks for what is missing even if the clock of the device is set back', async () => {
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

  it('asks once for changes between its first snapshot and joining its room', async () => {
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
      expect(call.mock.calls).toEqual([[{ conversations: { c: 5 }, after: null, until: null, epoch: null }]])
      expect(room.marks().get('fatima')).toBe(1)
      catchUp.holeSeen()
      await vi.advanceTimersByTimeAsync(5_000)
      expect(call).toHaveBeenCalledOnce()
      catchUp.stop()
    } finally {
      vi.useRealTimers()
    }
  })

  it('has no lastSeen for a member whose going offline was missed, until it is reported', () => {
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

  it('stays, however often the user is added again between a sync and its answer that they left', async () => {
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
