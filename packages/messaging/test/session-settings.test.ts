import { expect, it } from 'vitest'
import { createAppendBed, draft } from './append-bed.ts'

it('settings of the database for other clients affect neither timestamps nor the locking of appends', async () => {
  const settings = [
    "datestyle = 'SQL, DMY'",
    "timezone = 'Asia/Kathmandu'",
    "default_transaction_isolation = 'repeatable read'",
    "lock_timeout = '1ms'",
  ]
  await using bed = await createAppendBed(4, settings)
  const [id = ''] = await bed.conversations(1, 'ahmed')
  const holder = await bed.pool.connect()
  try {
    await holder.query('begin')
    await holder.query('update conversations set last_seq = last_seq + 1 where id = $1', [id])
    const appending = bed.append([draft(id, 'ahmed')])
    const isWaiting = async () => {
      const { rowCount } = await bed.pool.query(`select from pg_stat_activity where wait_event_type = 'Lock'
        and application_name = 'append-test' and datname = current_database()`)
      return rowCount
    }
    await expect.poll(isWaiting).toBe(1)
    await holder.query('commit')
    expect(await appending).toMatchObject([{ seq: 2 }])
  } finally {
    holder.release()
  }
  expect(await bed.stored(id)).toMatchObject([{ created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*\.\d{6}Z$/) }])
})
