import { randomUUID } from 'node:crypto'
import { savePushPreferences } from '@parley/db'
import { Dead, Later, type NewJob } from '@parley/queue'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { ClosingDrain } from '../src/push/closings.ts'
import { pushRecipients } from '../src/push/recipients.ts'
import { takeTurn } from '../src/push/turn.ts'
import { closeOf, createPushBed, digestOf, newsOf, type PushBed, people } from './push-bed.ts'
import { quietNow } from './push-setting.ts'

const DAY_MS = 24 * 3_600_000
const GATHER_MS = 60_000
const LATER = { kind: 'later', reason: '500', afterMs: null } as const

let bed: PushBed
beforeAll(async () => {
  bed = await createPushBed()
})
afterAll(() => bed?.[Symbol.asyncDispose]())

const shownRows = async (deviceId: string) =>
  (await bed.db.pool.query('select seq from push_shown where subscription_id = $1', [deviceId])).rows

describe('a summary', () => {
  it('of one conversation hides content like a notification, and is closed like one', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await savePushPreferences(bed.db.pool, person, { showContent: false })
    await bed.say(conversation, sender, 'a secret')
    await bed.run(digestOf(person))
    expect(bed.sentTo(phone)).toMatchObject([{ kind: 'show', tag: conversation, body: 'New message' }])
    await bed.read(person, conversation, 1)
    await bed.run(closeOf(person, conversation))
    expect(bed.sentTo(phone)[1]).toMatchObject({ kind: 'close', tag: conversation })
  })

  it('goes to each device that has not been notified of everything', async () => {
    const { sender, person, conversations, devices } = await people(bed, 3, 2)
    const [phone = '', laptop = '', tablet = ''] = devices
    const [first = '', second = ''] = conversations
    for (const conversation of conversations) await bed.say(conversation, sender, 'Hello')
    const told = { userId: person, fromSeq: 1, seq: 1, digest: false }
    await bed.deps.lookup.record({ ...told, conversationId: first, subscriptionId: laptop })
    await bed.deps.lookup.record({ ...told, conversationId: first, subscriptionId: tablet })
    await bed.deps.lookup.record({ ...told, conversationId: second, subscriptionId: tablet })
    await bed.run(digestOf(person))
    const summary = { tag: 'digest', data: { count: 2, conversations: 2 } }
    expect(bed.sentTo(phone)).toMatchObject([summary])
    expect(bed.sentTo(laptop)).toMatchObject([summary])
    expect(bed.sentTo(tablet)).toEqual([])
  })

  it('does not count what has been read', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'one', 'two', 'three')
    await bed.read(person, conversation, 2)
    await bed.run(digestOf(person))
    expect(bed.sentTo(phone)).toMatchObject([{ body: 'three', data: { count: 1 } }])
  })

  it('that a push service refuses is given up on', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    bed.answer(phone, { kind: 'refused', reason: '403', detail: '' })
    await bed.say(conversation, sender, 'Hello')
    await expect(bed.run(digestOf(person))).rejects.toThrow(Dead)
  })

  it('leaves nothing in Redis, even if it is never sent', async () => {
    const { sender, person, conversations } = await people(bed, 1)
    const [conversation = ''] = conversations
    await savePushPreferences(bed.db.pool, person, { quietHours: quietNow() })
    await bed.say(conversation, sender, 'Hello')
    await bed.run(newsOf(person, conversation))
    const [digest] = bed.queued()
    if (digest === undefined) throw new Error('no summary was queued')
    const key = `parley:push:held:${digest.id}`
    // Two days after the end of the quiet hours, which is half an hour away.
    expect(await bed.redis.pttl(key)).toBeGreaterThan(2 * DAY_MS)
    expect(await bed.redis.pttl(key)).toBeLessThan(2 * DAY_MS + 3_600_000)
    await savePushPreferences(bed.db.pool, person, { quietHours: null })
    await bed.run(digest)
    expect(await bed.redis.exists(key)).toBe(0)
  })
})

describe('a device that cannot be notified', () => {
  it.each([
    ['a message', newsOf],
    ['a summary', digestOf],
  ])('of %s is retried on its own, later each time', async (_, jobOf) => {
    // With frozen time, no time passes between the end of a try and queueing the next one.
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { sender, person, conversations, devices } = await people(bed, 2)
    const [conversation = '', phone = '', laptop = ''] = [conversations[0], ...devices]
    await bed.say(conversation, sender, 'Hello')
    bed.answer(phone, LATER)
    bed.answer(laptop, LATER)
    await bed.run(jobOf(person, conversation))
    const jobs: NewJob<'push'>[] = []
    for (let tries = 1; tries <= 3; tries++) {
      const job = bed.jobFor(phone)
      jobs.push(job)
      await bed.run(job)
    }
    expect([bed.sentTo(phone).length, bed.sentTo(laptop).length]).toEqual([4, 1])
    expect(jobs.map(({ data }) => 'tries' in data && data.tries)).toEqual([1, 2, 3])
    const [first = 0, , third = 0] = jobs.map(({ delayMs }) => delayMs ?? 0)
    // 2, 4 and 8 s, minus up to half.
    expect(first).toBeGreaterThanOrEqual(1_000)
    expect(third).toBeGreaterThanOrEqual(4_000)
    bed.answer(phone, { kind: 'sent', status: 201 })
    await bed.run(bed.jobFor(phone))
    expect(bed.queued()).toEqual([])
    expect(await shownRows(phone)).toEqual([{ seq: 1 }])
  })

  it('is retried on its own for closing a notification', async () => {
    const { sender, person, conversations, devices } = await people(bed, 2)
    const [conversation = '', phone = '', laptop = ''] = [conversations[0], ...devices]
    await bed.say(conversation, sender, 'Hello')
    await bed.run(newsOf(person, conversation))
    await bed.read(person, conversation, 1)
    bed.answer(phone, LATER)
    bed.answer(laptop, LATER)
    await bed.run(closeOf(person, conversation))
    bed.answer(phone, { kind: 'sent', status: 201 })
    await bed.run(bed.jobFor(phone))
    expect([bed.sentTo(phone).length, bed.sentTo(laptop).length]).toEqual([3, 2])
    expect([await shownRows(phone), await shownRows(laptop)]).toEqual([[], [{ seq: 1 }]])
  })

  it('is no longer retried for closing once the notification would have expired', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    await bed.run(newsOf(person, conversation))
    await bed.read(person, conversation, 1)
    bed.answer(phone, LATER)
    await bed.run(closeOf(person, conversation))
    expect(bed.queued()).toMatchObject([{ name: 'close', data: { subscriptionId: phone, tries: 1 } }])
    await bed.db.pool.query(
      `update push_shown set pushed_at = now() - interval '25 hours' where subscription_id = $1`,
      [phone],
    )
    await bed.run(closeOf(person, conversation))
    expect(bed.queued()).toEqual([])
    expect(await shownRows(phone)).toEqual([])
  })

  it('is retried for closing an empty summary as long as that may still be shown', async () => {
    const { person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    bed.answer(phone, LATER)
    const empty = (replacedAt: number): NewJob<'push'> => {
      const { data, ...job } = closeOf(person, conversation)
      return { ...job, data: { ...data, subscriptionId: phone, replacedAt } }
    }
    await bed.run(empty(Date.now() - DAY_MS - 1_000))
    expect(bed.queued()).toEqual([])
    const replacedAt = Date.now()
    await bed.run(empty(replacedAt))
    const again = bed.jobFor(phone)
    expect(again).toMatchObject({ name: 'close', data: { replacedAt, tries: 1 } })
    bed.answer(phone, { kind: 'sent', status: 201 })
    await bed.run(again)
    expect(bed.queued()).toEqual([])
    expect(bed.sentTo(phone)).toMatchObject(Array(3).fill({ kind: 'close', tag: 'digest' }))
  })

  it('is notified of another conversation meanwhile', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1, 2)
    const [phone = ''] = devices
    const [first = '', second = ''] = conversations
    for (const conversation of conversations) await bed.say(conversation, sender, 'Hello')
    bed.answer(phone, LATER)
    await bed.run(newsOf(person, first))
    await bed.run(newsOf(person, second))
    expect(bed.sentTo(phone)).toHaveLength(2)
    bed.queued()
  })
})

describe('a turn', () => {
  const turn = (subject: string, jobId: string, work: () => Promise<void>) => takeTurn(bed.redis, subject, jobId, work)
  const nothing = async () => undefined

  it('belongs to one job until that is done or has failed', async () => {
    const subject = randomUUID()
    await turn(subject, 'first', async () => {
      await expect(turn(subject, 'second', nothing)).rejects.toThrow(Later)
      await expect(turn(subject, 'second', nothing)).rejects.toThrow(Later)
      await turn(randomUUID(), 'second', nothing)
    })
    const failing = turn(subject, 'second', () => Promise.reject(new Error('failed')))
    await expect(failing).rejects.toThrow('failed')
    await turn(subject, 'third', nothing)
  })

  it('that a killed process left behind is resumed by the same job', async () => {
    const subject = randomUUID()
    const { promise: never, resolve } = Promise.withResolvers<void>()
    const killed = turn(subject, 'first', () => never)
    const key = `parley:push:turn:${subject}`
    await expect.poll(() => bed.redis.exists(key)).toBe(1)
    // Nearly expired by now.
    await bed.redis.pexpire(key, 5_000)
    await turn(subject, 'first', async () => expect(await bed.redis.pttl(key)).toBeGreaterThan(50_000))
    resolve()
    await killed
  })
})

describe('a record of a push', () => {
  it('is stored even if the database is away for a moment', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversationId = '', subscriptionId = ''] = [conversations[0], devices[0]]
    await bed.say(conversationId, sender, 'Hello')
    vi.spyOn(bed.db.pool, 'query').mockImplementationOnce(() => Promise.reject(new Error('away')))
    const record = { conversationId, userId: person, subscriptionId, fromSeq: 1, seq: 1, digest: false }
    await bed.deps.lookup.record(record)
    expect(await shownRows(subscriptionId)).toEqual([{ seq: 1 }])
  })
})

describe('the queue', () => {
  const away = { add: () => Promise.reject(new Error('Redis is away')) }
  const nobody = async () => new Set<string>()

  async function step(producer: Pick<PushBed['deps']['producer'], 'add'>) {
    const { sender, person, conversations } = await people(bed, 1)
    const [conversationId = ''] = conversations
    await bed.say(conversationId, sender, 'Hello', 'How are you?')
    const presence = { online: nobody, foreground: nobody }
    const times = { gatherMs: GATHER_MS }
    const { run } = pushRecipients({ ...bed.deps, presence, producer, times })
    const usual = { conversationId, senderId: sender, attachments: [], createdAt: new Date().toISOString() }
    const said = (seq: number, type: 'TEXT' | 'SYSTEM') => ({ ...usual, id: randomUUID(), seq, type, content: 'Hello' })
    return { person, said, run: (...messages: ReturnType<typeof said>[]) => run(messages, new Map(), bed.db.pool) }
  }

  it('gets one job for the messages of a round, and none for SYSTEM messages', async () => {
    const { person, said, run } = await step(bed.deps.producer)
    await run(said(1, 'TEXT'), said(2, 'TEXT'), said(3, 'SYSTEM'))
    const [job, ...others] = bed.queued()
    expect(job).toMatchObject({ name: 'message', data: { userId: person, seq: 2, firstSeq: 1 } })
    expect(others).toEqual([])
    expect(job?.delayMs).toBeGreaterThan(GATHER_MS - 5_000)
    expect(job?.delayMs).toBeLessThanOrEqual(GATHER_MS)
    await run(said(4, 'SYSTEM'))
    expect(bed.queued()).toEqual([])
  })

  it('delays nobody for a message whose timestamp is ahead of this machine’s clock', async () => {
    const { said, run } = await step(bed.deps.producer)
    await run({ ...said(1, 'TEXT'), createdAt: new Date(Date.now() + 300_000).toISOString() })
    expect(bed.queued()).toMatchObject([{ delayMs: GATHER_MS }])
  })

  it('gets a job for each recipient: not the sender, nor who has muted, read or left it, or is looking', async () => {
    const names = ['writes', 'mutes', 'looks', 'looks as well', 'reads', 'left', 'told', 'told as well'].map(
      (name) => name + randomUUID(),
    )
    const [writes = '', mutes = '', looks = '', looksToo = '', reads = '', left = '', ...told] = names
    const conversation = await bed.conversation(...names)
    for (const name of names) await bed.device(name)
    await bed.set(`muted_until = now() + interval '1 hour'`, mutes, conversation)
    await bed.say(conversation, writes, 'Hello')
    await bed.read(reads, conversation, 1)
    await bed.set('left_at = now()', left, conversation)
    const presence = { online: nobody, foreground: async () => new Set([looks, looksToo]) }
    const { run } = pushRecipients({ ...bed.deps, presence })
    const message = { conversationId: conversation, senderId: writes, attachments: [], content: 'Hello' }
    const stored = { id: randomUUID(), seq: 1, type: 'TEXT' as const, createdAt: new Date().toISOString() }
    await run([{ ...message, ...stored }], new Map(), bed.db.pool)
    const jobs = bed.queued()
    expect(jobs.map(({ data }) => data.userId).toSorted()).toEqual(told.toSorted())
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(told.length)
  })

  it('that is away fails the round of the outbox', async () => {
    const { said, run } = await step(away)
    await expect(run(said(1, 'TEXT'))).rejects.toThrow('Redis is away')
  })

  it('that is away leaves what is to be closed where it is noted', async () => {
    const { person, conversations } = await people(bed, 1)
    const noted = async () =>
      (await bed.db.pool.query('select from push_closings where user_id = $1', [person])).rowCount
    await bed.db.pool.query('insert into push_closings (conversation_id, user_id) values ($1, $2)', [
      conversations[0],
      person,
    ])
    const failed = Promise.withResolvers<unknown>()
    const drain = new ClosingDrain({ ...bed.deps, producer: away, onError: failed.resolve })
    drain.start()
    expect(await failed.promise).toMatchObject({ message: 'Redis is away' })
    await drain.stop()
    expect(await noted()).toBe(1)
  })
})

it('looks for what is to be closed from the first of it on, and not among what is long gone', async () => {
  const { person, conversations } = await people(bed, 0)
  const note = (...ids: number[]) =>
    bed.db.pool.query(
      `insert into push_closings (id, conversation_id, user_id) overriding system value
       select id, $2, $3 from unnest($1::bigint[]) id`,
      [ids, conversations[0], person],
    )
  const noted = async () =>
    (await bed.db.pool.query('select id from push_closings where user_id = $1', [person])).rows.map(({ id }) => id)
  await bed.db.pool.query('delete from push_closings')
  await note(50_000)
  const drain = new ClosingDrain({ ...bed.deps, idleMs: 10, onError: (error) => expect.fail(String(error)) })
  drain.start()
  try {
    await expect.poll(noted).toEqual([])
    // As if the first were one of those that were deleted.
    await note(1, 49_500)
    await expect.poll(noted).toEqual([1])
  } finally {
    await drain.stop()
  }
})
