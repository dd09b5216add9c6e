import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { savePushPreferences } from '@parley/db'
import { Later, type NewJob } from '@parley/queue'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { DueMessage } from '../src/outbox-drain.ts'
import type { Outcome } from '../src/push/outcome.ts'
import { pushRecipients } from '../src/push/recipients.ts'
import { takeTurn } from '../src/push/turn.ts'
import { closeOf, createPushBed, digestOf, type Job, newsOf, type PushBed, people } from './push-bed.ts'

const HOUR_MS = 3_600_000
const LATER = { kind: 'later', reason: '500', afterMs: null } as const
const SENT = { kind: 'sent', status: 201 } as const

let bed: PushBed
beforeAll(async () => {
  bed = await createPushBed()
})
afterEach(() => {
  vi.restoreAllMocks()
  bed.queued()
})
afterAll(() => bed?.[Symbol.asyncDispose]())

/** A job of what came in one go, from the first to the last. */
function newsFrom(firstSeq: number, seq: number, userId: string, conversationId: string): Job<'message'> {
  const job = newsOf(userId, conversationId, seq)
  return { ...job, data: { ...job.data, firstSeq } }
}

describe('a job that fails because one device cannot be tried again', () => {
  const jobs: [string, (person: string, conversation: string) => NewJob<'push'>][] = [
    ['news', newsOf],
    ['a summary', digestOf],
    ['a closing', closeOf],
  ]
  it.each(jobs)('lets the others finish first, which are then not told twice: %s', async (what, jobOf) => {
    const { sender, person, conversations, devices } = await people(bed, 2)
    const [conversation = '', phone = '', laptop = ''] = [conversations[0], ...devices]
    await bed.say(conversation, sender, 'Hello')
    if (what === 'a closing') {
      await bed.run(newsOf(person, conversation))
      await bed.read(person, conversation, 1)
    }
    const before = bed.sentTo(laptop).length
    const answer = Promise.withResolvers<Outcome>()
    bed.answer(phone, LATER)
    bed.answer(laptop, answer.promise)
    const add = vi.fn(() => Promise.reject(new Error('Redis is away')))
    const job = jobOf(person, conversation)
    const running = bed.run(job, { producer: { add } })
    const failed = expect(running).rejects.toThrow('Redis is away')
    await expect.poll(() => add.mock.calls.length).toBe(1)
    await expect.poll(() => bed.sentTo(laptop).length).toBe(before + 1)
    await setImmediate()
    // A job that starts now still has to wait for the turn.
    await expect(bed.run({ ...job, id: randomUUID() })).rejects.toThrow(Later)
    bed.answer(laptop, SENT)
    answer.resolve(SENT)
    await failed
    bed.answer(phone, SENT)
    await bed.run(job)
    expect(bed.sentTo(laptop)).toHaveLength(before + 1)
  })
})

describe('news', () => {
  it('are not pushed to people in the foreground when the job runs', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    bed.inFront.add(person)
    await bed.run(newsOf(person, conversation))
    await bed.run(digestOf(person))
    expect(bed.sentTo(phone)).toEqual([])
    bed.inFront.delete(person)
    await bed.run(newsOf(person, conversation))
    expect(bed.sentTo(phone)).toHaveLength(1)
  })

  it('are not pushed to those in the foreground among many whose jobs run at the same time', async () => {
    const persons = await Promise.all(Array.from({ length: 4 }, () => people(bed, 1)))
    const told: string[] = []
    for (const [index, { sender, person, conversations }] of persons.entries()) {
      await bed.say(conversations[0] ?? '', sender, 'Hello')
      if (index > 0) bed.inFront.add(person)
    }
    await Promise.all(persons.map(({ person, conversations }) => bed.run(newsOf(person, conversations[0] ?? ''))))
    for (const { person, devices } of persons) if (bed.sentTo(devices[0] ?? '').length > 0) told.push(person)
    expect(told).toEqual([persons[0]?.person])
  })

  it('whose latest message was deleted are pushed once, whatever jobs run', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'one', 'two')
    await bed.db.pool.query('update messages set deleted_at = now() where conversation_id = $1 and seq = 2', [
      conversation,
    ])
    const job = newsFrom(1, 2, person, conversation)
    for (const id of ['first', 'second']) await bed.run({ ...job, id: randomUUID() + id })
    expect(bed.sentTo(phone)).toMatchObject([{ body: 'one', data: { seq: 1, count: 1 } }])
  })

  it('that take the place of lost ones are pushed, even though a job of the lost ones has run', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'kept')
    // The job of the third message, which a failover lost together with the second.
    await bed.run(newsFrom(1, 3, person, conversation))
    await bed.say(conversation, sender, 'new')
    await bed.run(newsOf(person, conversation, 2))
    expect(bed.sentTo(phone)).toMatchObject([{ body: 'kept' }, { data: { seq: 2 } }])
  })

  it('that a device missed are all counted by its next notification', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'one', 'two')
    bed.answer(phone, LATER)
    await bed.run(newsFrom(1, 2, person, conversation))
    await bed.say(conversation, sender, 'three')
    bed.answer(phone, SENT)
    await bed.run(newsOf(person, conversation, 3))
    expect(bed.sentTo(phone)[1]).toMatchObject({ body: '3 new messages', data: { count: 3 } })
  })

  it('have a TTL of their remaining lifetime', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    const job = newsOf(person, conversation)
    await bed.run({ ...job, data: { ...job.data, sentAt: Date.now() - 23 * HOUR_MS } })
    const [{ ttlSeconds = 0 } = {}] = bed.deliveriesTo(phone)
    expect(ttlSeconds).toBeGreaterThan(3_500)
    expect(ttlSeconds).toBeLessThanOrEqual(3_600)
  })

  it('count towards the delay metric unless a burst held them back', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    const delays = async () => {
      const shown = await bed.registry.getSingleMetric('parley_push_delay_seconds')?.get()
      return (
        shown?.values.find((value) => 'metricName' in value && `${value.metricName}`.endsWith('_count'))?.value ?? 0
      )
    }
    const before = await delays()
    await bed.say(conversation, sender, 'one')
    const second = newsOf(person, conversation, 2)
    await bed.run(newsOf(person, conversation))
    expect(await delays()).toBe(before + 1)
    await bed.say(conversation, sender, 'two', 'three')
    // These were stored while the first was being sent.
    const sentAt = second.data.sentAt - 1_000
    await bed.run({ ...second, data: { ...second.data, sentAt } })
    expect(bed.sentTo(phone)[1]).toMatchObject({ data: { count: 3 } })
    await bed.say(conversation, sender, 'four')
    const { data, ...fourth } = newsOf(person, conversation, 4)
    await bed.run({ ...fourth, data: { ...data, sentAt } })
    expect(bed.sentTo(phone)[2]).toMatchObject({ data: { count: 4 } })
    expect(await delays()).toBe(before + 1)
  })

  it('are not pushed to somebody who has since muted the conversation', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    await bed.set(`muted_until = now() + interval '1 hour'`, person, conversation)
    await bed.run(newsOf(person, conversation))
    expect(bed.sentTo(phone)).toEqual([])
    await bed.set(`muted_until = now() - interval '1 second'`, person, conversation)
    await bed.run(newsOf(person, conversation))
    expect(bed.sentTo(phone)).toHaveLength(1)
  })

  it('hide the content if the person wants that, and do not count SYSTEM messages', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await savePushPreferences(bed.db.pool, person, { showContent: false })
    await bed.say(conversation, sender, 'a secret', 'Somebody has come')
    await bed.db.pool.query(`update messages set type = 'SYSTEM' where conversation_id = $1 and seq = 2`, [
      conversation,
    ])
    await bed.run(newsFrom(1, 2, person, conversation))
    expect(bed.sentTo(phone)).toMatchObject([{ body: 'New message', data: { seq: 1, count: 1 } }])
    expect(JSON.stringify(bed.sentTo(phone))).not.toContain('secret')
  })

  it('name a file, and show the sender’s photo', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, ' ')
    const file = { id: randomUUID(), fileName: 'report.pdf', fileSize: 1, fileType: 'application/pdf' }
    await bed.db.pool.query(`update messages set attachments = $2, type = 'FILE' where conversation_id = $1`, [
      conversation,
      JSON.stringify([file]),
    ])
    await bed.db.pool.query('update users set profile_photo = $2 where id = $1', [sender, 'https://a.example/a.png'])
    await bed.run(newsOf(person, conversation))
    expect(bed.sentTo(phone)).toMatchObject([{ body: '📎 report.pdf', icon: 'https://a.example/a.png' }])
  })
})

describe('a turn', () => {
  it('that outlasted its time does not end the next one', async () => {
    const subject = randomUUID()
    const key = `parley:push:turn:${subject}`
    const now = performance.now.bind(performance)
    let late = 0
    vi.spyOn(performance, 'now').mockImplementation(() => now() + late)
    await takeTurn(bed.redis, subject, 'first', async () => {
      late = 61_000
      await bed.redis.set(key, 'second', 'PX', 10_000)
    })
    expect(await bed.redis.get(key)).toBe('second')
  })
})

describe('a round of the outbox', () => {
  const stored = (conversationId: string, senderId: string, seq = 1, agoMs = 0): DueMessage => {
    const createdAt = new Date(Date.now() - agoMs).toISOString()
    return {
      conversationId,
      senderId,
      seq,
      id: randomUUID(),
      type: 'TEXT',
      content: 'Hello',
      attachments: [],
      createdAt,
    }
  }
  const step = () => {
    const presence = { online: async () => new Set<string>(), foreground: async () => new Set<string>() }
    return pushRecipients({ ...bed.deps, presence })
  }

  it('queues jobs for any number of conversations', async () => {
    const { sender, conversations } = await people(bed, 1, 60)
    for (const conversation of conversations) await bed.say(conversation, sender, 'Hello')
    const messages = conversations.map((conversation) => stored(conversation, sender))
    await step().run(messages, new Map(), bed.db.pool)
    expect(new Set(bed.queued().map(({ data }) => 'conversationId' in data && data.conversationId))).toEqual(
      new Set(conversations),
    )
  })

  it('measures the age of its news from the first message', async () => {
    const { sender, conversations } = await people(bed, 1)
    const [conversation = ''] = conversations
    await bed.say(conversation, sender, 'one', 'two')
    const messages = [stored(conversation, sender, 1, 10_000), stored(conversation, sender, 2)]
    await step().run(messages, new Map(), bed.db.pool)
    expect(bed.queued()).toMatchObject([
      { data: { seq: 2, firstSeq: 1, sentAt: Date.parse(messages[0]?.createdAt ?? '') } },
    ])
  })
})
