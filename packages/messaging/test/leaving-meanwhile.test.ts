import { randomUUID } from 'node:crypto'
import {
  appendMessages,
  listContacts,
  listMemberships,
  listMutes,
  listUnread,
  markRead,
  membersAmong,
  muteConversation,
  openDatabase,
} from '@parley/db'
import type { User } from '@parley/protocol'
import { user } from '@parley/testkit'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  ConversationNews,
  ConversationReader,
  ConversationSync,
  ConversationWriter,
  DatabaseHistory,
  type Events,
  History,
  type Ledger,
  People,
} from '../src/index.ts'
import { fileDatabase } from './file-database.ts'

/*
 * Members who leave, and come back. An actor may leave on another device before a change of theirs is answered: the answer
 * then shows the change, but nothing after it.
 */

const { database, db } = await fileDatabase(4)

const links = { urlOf: () => '' }
const sync = () => new ConversationSync(db, links, { current: async () => new DatabaseHistory([]) })

const reader = () => new ConversationReader(db, { online: async () => new Set() }, links)

/** A writer that publishes each change by `tell`, which runs between the change and its answer. */
function writer(
  tell: () => Promise<unknown> = async () => undefined,
  covered?: Promise<boolean>[],
): ConversationWriter {
  const told = () => tell().then((taken) => taken !== false)
  const ledger: Ledger = { cover: (work) => work(`${randomUUID()}.0`, 1, (taken) => covered?.push(taken)) }
  return new ConversationWriter({ db, reader: reader(), news: { created: told, changed: told }, ledger, links })
}

async function people<const Names extends string[]>(...names: Names): Promise<{ [At in keyof Names]: User }> {
  const all = names.map((name) => user(name))
  await new People(db).put(all)
  return all as { [At in keyof Names]: User }
}

async function group(owner: User, ...members: User[]): Promise<string> {
  const participantIds = members.map(({ id }) => id)
  return (await writer().create(owner, { type: 'GROUP', participantIds })).conversation.id
}

it('answers with the members added by an actor who has left before the answer', async () => {
  const [owner, adder, added] = await people('Owner', 'Adder', 'Added')
  const id = await group(owner, adder)
  const leave = async () => {
    await writer().remove(adder, id, adder.id)
    await writer().rename(owner, id, 'Not for the one who left')
  }
  const answer = await writer(leave).add(adder, id, [added.id])
  expect(answer).toMatchObject({ id, name: null, participantCount: 3, lastSeq: 1, unreadCount: 0 })
  expect(answer.lastMessage?.system).toEqual({ event: 'participantsAdded', userIds: [added.id] })
  expect(answer.participants.map(({ id: userId }) => userId)).toEqual([owner.id, added.id])
})

it('answers with the group renamed or created by an actor who has left or been removed before the answer', async () => {
  const [owner, member] = await people('Owner', 'Member')
  const id = await group(owner, member)
  const answer = await writer(() => writer().remove(owner, id, member.id)).rename(member, id, 'Renamed')
  expect(answer).toMatchObject({ id, name: 'Renamed', participantCount: 2 })
  const leave = async () => {
    const { rows } = await db.pool.query('select id from conversations where name = $1', ['New'])
    await writer().remove(owner, rows[0].id, owner.id)
  }
  const input = { type: 'GROUP' as const, name: 'New', participantIds: [member.id] }
  const { created, conversation } = await writer(leave).create(owner, input)
  expect([created, conversation.name, conversation.participantCount]).toEqual([true, 'New', 2])
})

it('answers without a change when an existing member is added', async () => {
  const [owner, member] = await people('Owner', 'Member')
  const id = await group(owner, member)
  const answer = await writer().add(owner, id, [member.id])
  expect(answer).toMatchObject({ lastSeq: 0, participantCount: 2 })
})

it('answers after publishing, and reports to the ledger what Redis did not accept', async () => {
  // The half second that the answer waits for Redis at most does not pass here.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const [owner, member] = await people('Owner', 'Member')
  const covered: Promise<boolean>[] = []
  const order: string[] = []
  const slow = writer(async () => {
    // Takes longer than an answer.
    for (let n = 0; n < 3; n++) await group(owner, member)
    order.push('told')
    return false
  }, covered)
  const { conversation } = await slow.create(owner, { type: 'GROUP', participantIds: [member.id] })
  order.push('answered')
  await slow.rename(owner, conversation.id, 'Renamed')
  order.push('answered')
  expect(order).toEqual(['told', 'answered', 'told', 'answered'])
  expect(await Promise.all(covered)).toEqual([false, false])
})

it('resolves to true only if everything was published, and to false if Redis or the database failed', async () => {
  const [owner, member, late] = await people('Owner', 'Member', 'Late')
  const id = await group(owner, member)
  await writer().add(owner, id, [late.id])
  const taken = async () => true
  const events: Events = { message: taken, messages: taken, toConversation: taken, join: taken, leave: taken }
  const errors: unknown[] = []
  const news = (some: Partial<Events>, from = db) =>
    new ConversationNews({
      db: from,
      reader: reader(),
      events: { ...events, ...some },
      onError: (error) => errors.push(error),
    })
  expect(await news({}).created(id)).toBe(true)
  expect(await news({ join: async (userId) => userId !== late.id }).created(id)).toBe(false)
  expect(errors).toEqual([])
  const away = openDatabase({ url: database.url, max: 1, applicationName: 'test' })
  await away.close()
  expect(await news({}, away).created(id)).toBe(false)
  expect(errors).toHaveLength(1)
})

it('names up to three users, or the first two and the number of others', async () => {
  const [owner, a, b, c, d] = await people('Owner', 'A', 'B', 'C', 'D')
  const added = async (...who: User[]) => {
    const id = await group(owner, owner)
    return (
      await writer().add(
        owner,
        id,
        who.map((one) => one.id),
      )
    ).lastMessage?.content
  }
  expect(await added(a, b, c)).toBe('Owner added A, B and C')
  expect(await added(a, b, c, d)).toBe('Owner added A, B and 2 others')
})

describe('a member who has left', () => {
  it('is not listed anywhere in it, and may do nothing there', async () => {
    const [owner, gone, stays] = await people('Owner', 'Gone', 'Stays')
    const id = await group(owner, gone, stays)
    const hello = { content: 'Hello', type: 'TEXT', system: null, clientMessageId: null } as const
    const message = { ...hello, id: randomUUID(), conversationId: id, senderId: owner.id, attachments: [] }
    await appendMessages(db.pool, [message], 'test', 1)
    await markRead(
      db.pool,
      [gone, stays].map(({ id: userId }) => ({ conversationId: id, userId, messageId: message.id })),
    )
    const readBy = async () => {
      const { data } = await new History(db, reader(), links).page(id, owner.id, { page: 1, limit: 50 })
      return data[0]?.readBy
    }
    const contactsOf = async (who: User) => (await listContacts(db.pool, [who.id], 100))[0]?.contact_ids.sort()
    expect((await readBy())?.sort()).toEqual([owner.id, gone.id, stays.id].sort())
    expect(await contactsOf(gone)).toEqual([owner.id, stays.id].sort())
    await muteConversation(db.pool, id, gone.id, '2999-01-01T00:00:00Z')
    expect(await listMutes(db.pool, gone.id)).toHaveLength(1)

    await writer().remove(gone, id, gone.id)
    expect(await readBy()).toEqual([owner.id, stays.id])
    expect(await contactsOf(owner)).toEqual([stays.id])
    expect(await contactsOf(gone)).toBeUndefined()
    expect(await listMemberships(db.pool, [gone.id])).toEqual([])
    await appendMessages(db.pool, [{ ...message, id: randomUUID() }], 'test', 2)
    expect(await listUnread(db.pool, gone.id)).toEqual([])
    expect(await listMutes(db.pool, gone.id)).toEqual([])
    expect(await muteConversation(db.pool, id, gone.id, null)).toBeUndefined()
    expect(await markRead(db.pool, [{ conversationId: id, userId: gone.id, messageId: message.id }])).toEqual([])
    const notFound = { code: 'CONVERSATION_NOT_FOUND' }
    await expect(writer().rename(gone, id, 'Mine now')).rejects.toMatchObject(notFound)
    // The current name: nothing would be written, but the conversation would be shown.
    await expect(writer().rename(gone, id, null)).rejects.toMatchObject(notFound)
    await expect(writer().remove(gone, id, stays.id)).rejects.toMatchObject(notFound)
  })

  it('and is added again counts as a new member, without a mute', async () => {
    const [owner, back] = await people('Owner', 'Back')
    const id = await group(owner, back)
    await muteConversation(db.pool, id, back.id, '2999-01-01T00:00:00Z')
    await writer().remove(back, id, back.id)
    const { rev } = await reader().require(id, owner.id)
    await writer().add(owner, id, [back.id])
    const { conversations } = await sync().changes(owner.id, { conversations: { [id]: rev } })
    expect(conversations[0]?.members.find((member) => member.id === back.id)).toMatchObject({ joinedSeq: 1 })
    expect(await listMutes(db.pool, back.id)).toEqual([])
    await muteConversation(db.pool, id, back.id, '2000-01-01T00:00:00Z')
    expect(await listMutes(db.pool, back.id)).toEqual([])
  })

  it('and owned it is succeeded by the longest-standing current member', async () => {
    const [third, ...first] = await people('Third', 'One', 'Another', 'And another', 'And one more')
    // Members who joined at the same time rank by id.
    const [gone, back, heir, owner] = first.sort((a, b) => (a.id < b.id ? -1 : 1))
    const id = await group(owner, gone, back, heir)
    const roles = async () =>
      Object.fromEntries((await membersAmong(db.pool, id, null)).map((member) => [member.id, member.role]))
    await writer().remove(gone, id, gone.id)
    await writer().remove(back, id, back.id)
    await writer().add(owner, id, [third.id])
    await writer().add(owner, id, [back.id])
    const members = { [heir.id]: 'MEMBER', [third.id]: 'MEMBER', [back.id]: 'MEMBER' }
    expect(await roles()).toEqual({ ...members, [owner.id]: 'OWNER' })
    const { rev } = await reader().require(id, heir.id)
    await writer().remove(owner, id, owner.id)
    expect(await roles()).toEqual({ ...members, [heir.id]: 'OWNER' })
    const { conversations } = await sync().changes(heir.id, { conversations: { [id]: rev } })
    expect(conversations[0]).toMatchObject({ gone: [owner.id], members: [{ id: heir.id, role: 'OWNER' }] })
    await writer().add(heir, id, [owner.id])
    expect(await roles()).toEqual({ ...members, [heir.id]: 'OWNER', [owner.id]: 'MEMBER' })
  })
})
