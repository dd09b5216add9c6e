import { randomUUID } from 'node:crypto'
import { condemnAttachments, deleteAttachments } from '@parley/db'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AppendBed, createAppendBed, draft } from './append-bed.ts'

/*
 * A message that names uploads, and whatever removes uploads, lock them in id order.
 */

let bed: AppendBed
beforeAll(async () => {
  bed = await createAppendBed(6)
})
afterAll(() => bed?.[Symbol.asyncDispose]())

/** Uploads of Ahmed in a conversation, inserted in descending id order, so that only sorting yields id order. */
async function uploads(conversationId: string, count: number, state: 'READY' | 'DELETING') {
  const ids = Array.from({ length: count }, () => randomUUID()).sort()
  for (const id of ids.toReversed()) {
    await bed.pool.query(
      `insert into attachments (id, conversation_id, uploader_id, state, file_name) values ($1, $2, 'ahmed', $3, 'name')`,
      [id, conversationId, state],
    )
  }
  return ids
}

/** Sends a message with these attachments. @returns whether it was stored */
async function send(conversationId: string, ids: readonly string[]): Promise<boolean> {
  const attachments = ids.map((id) => ({ id, fileName: 'name', fileSize: 0, fileType: 'text/plain' }))
  return (await bed.append([draft(conversationId, 'ahmed', { attachments })])).length === 1
}

/** Number of the bed's statements that wait for a lock. */
async function waiting(): Promise<number | null> {
  const { rowCount } = await bed.pool.query(
    `select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'append-test'
       and datname = current_database()`,
  )
  return rowCount
}

/** Runs `work` while another connection holds the locks of a statement. */
async function holding(statement: string, values: unknown[], work: () => Promise<void>): Promise<void> {
  const holder = await bed.pool.connect()
  try {
    await holder.query('begin')
    await holder.query(statement, values)
    await work()
    await holder.query('commit')
  } finally {
    holder.release(true)
  }
}

const HOLD = 'select from attachments where id = $1 for update'

it.each([
  ['a message', 'READY', (id: string, ids: string[]) => send(id, ids)],
  ['the begin of a removal', 'READY', (_: string, ids: string[]) => condemnAttachments(bed.pool, ids)],
  ['the end of a removal', 'DELETING', (_: string, ids: string[]) => deleteAttachments(bed.pool, ids)],
] as const)('%s locks uploads in the order of their ids', async (_, state, work) => {
  const [id = ''] = await bed.conversations(1, 'ahmed')
  const ids = await uploads(id, 10, state)
  let done: Promise<unknown> | undefined
  await holding(HOLD, [ids[4]], async () => {
    done = work(id, ids.toReversed())
    await expect.poll(waiting).toBe(1)
    const { rows } = await bed.pool.query(
      'select id from attachments where id = any ($1::uuid[]) order by id for update skip locked',
      [ids],
    )
    expect(rows.map((row) => row.id)).toEqual(ids.slice(5))
  })
  await done
})

it('a message that names uploads being removed is refused, without a deadlock', async () => {
  const [id = ''] = await bed.conversations(1, 'ahmed')
  const ids = await uploads(id, 2, 'DELETING')
  let done: Promise<unknown> | undefined
  // In table order, the second one comes first.
  await holding(HOLD, [ids[1]], async () => {
    const removed = deleteAttachments(bed.pool, ids)
    await expect.poll(waiting).toBe(1)
    const sent = send(id, ids)
    done = Promise.all([removed, sent])
    await expect.poll(waiting).toBe(2)
  })
  expect(await done).toEqual([undefined, false])
  expect((await bed.pool.query('select from attachments where id = any ($1::uuid[])', [ids])).rowCount).toBe(0)
})
