import { randomUUID } from 'node:crypto'
import { type Database, openDatabase } from '@parley/db'
import type { User } from '@parley/protocol'
import { createTestDatabase, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ConversationReader, ConversationWriter, People } from '../src/index.ts'

/*
 * What a person changes is stored when they leave on another device before they are answered: the answer says so, and tells
 * nothing of what came after.
 */

let db: Database
let database: Awaited<ReturnType<typeof createTestDatabase>>
beforeAll(async () => {
  database = await createTestDatabase()
  db = openDatabase({ url: database.url, max: 4, applicationName: 'test' })
})
afterAll(async () => {
  await db?.close()
  await database?.[Symbol.asyncDispose]()
})

const links = { urlOf: () => '' }

/** A writer on which everybody is told of a change by `tell`, which comes between the change and its answer. */
function writer(tell: () => Promise<unknown> = async () => undefined): ConversationWriter {
  const told = () => tell().then(() => true)
  return new ConversationWriter({
    db,
    reader: new ConversationReader(db, { online: async () => new Set() }, links),
    news: { created: told, changed: told },
    ledger: { cover: (work) => work(`${randomUUID()}.0`, 1, () => undefined) },
    links,
  })
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

it('people whom somebody adds who leaves then: added, and the answer has them', async () => {
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

it('a group that is renamed, and one that is created', async () => {
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

it('to add somebody who is in it already is no change, and is answered', async () => {
  const [owner, member] = await people('Owner', 'Member')
  const id = await group(owner, member)
  const answer = await writer().add(owner, id, [member.id])
  expect(answer).toMatchObject({ lastSeq: 0, participantCount: 2 })
})
