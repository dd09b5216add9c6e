import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { indexForSearch } from '../src/index.ts'
import { createSearchBed, type SearchBed } from './search-bed.ts'

/*
 * Messages that are deleted while they are indexed. The first of the two holds its transaction open until the other waits for
 * it (or is done without waiting): each test forces one of the possible orders.
 */

let bed: SearchBed
beforeAll(async () => {
  bed = await createSearchBed()
})
afterAll(() => bed?.[Symbol.asyncDispose]())

const DELETED = 'update messages set deleted_at = now() where conversation_id = $1'
const ERASED = 'delete from messages where conversation_id = $1'

const query = (text: string, values: unknown[] = []) => bed.db.pool.query(text, values)

/** A conversation with messages that are not indexed yet. */
async function unindexed() {
  const id = await bed.conversation('somebody')
  const messages = await bed.send(id, [{ content: 'not yet' }, { content: 'gone' }], { index: false })
  const runs = async () => (await query('select from message_search where conversation_id = $1', [id])).rowCount
  return { id, runs, index: (db = bed.db.pool as Parameters<typeof indexForSearch>[0]) => indexForSearch(db, messages) }
}

it.each([DELETED, ERASED])('a message is not indexed if its deletion is in progress: %s', async (remove) => {
  const { id, runs, index } = await unindexed()
  const { promise: indexed, resolve } = Promise.withResolvers<unknown>()
  await bed.transaction(async (tx) => {
    await tx.query(remove, [id])
    const work = index()
    resolve(work)
    await bed.waitsOrIsDone(work)
  })
  await indexed
  expect(await runs()).toBe(0)
})

it.each([DELETED, ERASED])('a message deleted during its indexing is removed from the index: %s', async (remove) => {
  const { id, runs, index } = await unindexed()
  const { promise: removed, resolve } = Promise.withResolvers<unknown>()
  await bed.transaction(async (tx) => {
    await index(tx)
    const work = query(remove, [id])
    resolve(work)
    await bed.waitsOrIsDone(work)
  })
  await removed
  expect(await runs()).toBe(0)
})

it('a message is indexed if its deletion is rolled back', async () => {
  const { id, runs, index } = await unindexed()
  const { promise: indexed, resolve } = Promise.withResolvers<unknown>()
  const deleting = bed.transaction(async (tx) => {
    await tx.query(DELETED, [id])
    const work = index()
    resolve(work)
    await bed.waitsOrIsDone(work)
    throw new Error('rolled back')
  })
  await expect(deleting).rejects.toThrow('rolled back')
  await indexed
  expect(await runs()).toBe(1)
})

it('a deletion in progress does not delay the indexing of other messages', async () => {
  const [one, other] = [await unindexed(), await unindexed()]
  const { promise: removed, resolve } = Promise.withResolvers<unknown>()
  await bed.transaction(async (indexing) => {
    await bed.transaction(async (deleting) => {
      await deleting.query(DELETED, [one.id])
      await other.index(indexing)
    })
    const work = query(DELETED, [other.id])
    resolve(work)
    await bed.waitsOrIsDone(work)
  })
  await removed
  expect(await other.runs()).toBe(0)
})

it('a deletion in progress does not delay a message that is sent meanwhile', async () => {
  const { id } = await unindexed()
  await bed.transaction(async (tx) => {
    await tx.query(DELETED, [id])
    await query(
      `insert into messages (conversation_id, seq, id, rev, sender_id, content, type, created_at)
       values ($1, 3, $2, 3, 'somebody', 'more', 'TEXT', now())`,
      [id, randomUUID()],
    )
  })
})

it.each(['repeatable read', 'serializable'])(
  'a deletion is refused at isolation level %s, which does not see what was indexed meanwhile',
  async (level) => {
    for (const remove of [DELETED, ERASED]) {
      const { id, runs, index } = await unindexed()
      const deleting = bed.transaction(async (tx) => {
        await tx.query(`set transaction isolation level ${level}`)
        await tx.query('select from messages limit 1')
        await index()
        await tx.query(remove, [id])
      })
      await expect(deleting).rejects.toMatchObject({ code: '0A000', hint: expect.stringContaining('READ COMMITTED') })
      const left = await query('select from messages where conversation_id = $1 and deleted_at is null', [id])
      expect([left.rowCount, await runs()]).toEqual([2, 1])
    }
  },
)
