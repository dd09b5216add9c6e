import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { appendMessages } from '@parley/db'
import type pg from 'pg'
import { roomsOf, type Shape, uuidOf } from '../subjects/subject.ts'

const BATCH = 200
const DRAIN_BOUND_MS = 60_000

/**
 * Stores a message from each person in one of their conversations, and waits until the worker has processed them.
 * @returns the number of messages in each person's conversations, by person
 */
export async function missSomething(sql: pg.Pool, shape: Shape): Promise<number[]> {
  const rooms = Array.from({ length: shape.users }, (_, user) => {
    const own = roomsOf(user, shape)
    return own[user % own.length] ?? 0
  })
  for (let from = 0; from < shape.users; from += BATCH) {
    const messages = rooms.slice(from, from + BATCH).map((room, i) => {
      const id = randomUUID()
      const content = `Message ${from + i}, sent while everybody was offline`
      const base = { id, conversationId: uuidOf(room), senderId: `user-${from + i}`, clientMessageId: id, content }
      return { ...base, type: 'TEXT' as const, attachments: [], system: null }
    })
    await appendMessages(sql, messages, `bench-${randomUUID()}`, 1)
  }
  await drained(sql)
  const counts = new Map<number, number>()
  for (const room of rooms) counts.set(room, (counts.get(room) ?? 0) + 1)
  return rooms.map((_, user) => roomsOf(user, shape).reduce((sum, room) => sum + (counts.get(room) ?? 0), 0))
}

async function drained(sql: pg.Pool): Promise<void> {
  for (let waited = 0; waited < DRAIN_BOUND_MS; waited += 250) {
    if ((await sql.query('select 1 from outbox limit 1')).rowCount === 0) return
    await delay(250)
  }
  throw new Error('the worker did not process the outbox in time')
}
