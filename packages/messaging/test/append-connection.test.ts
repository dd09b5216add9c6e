import { expect, it } from 'vitest'
import { createAppendBed, draft } from './append-bed.ts'

it('keeps its connection after a batch that had to be settled message by message', async () => {
  await using bed = await createAppendBed(1)
  const [id = ''] = await bed.conversations(1, 'ahmed')
  const connection = async () => (await bed.pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
  const before = await connection()
  const message = draft(id, 'ahmed', { clientMessageId: 'once' })
  const [stored] = await bed.append([message])
  expect(await bed.append([draft(id, 'ahmed', { clientMessageId: 'once' })])).toMatchObject([{ id: stored?.id }])
  expect(await bed.append([draft(id, 'a stranger')])).toEqual([])
  expect(await connection()).toBe(before)
})
