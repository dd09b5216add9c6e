import { savePushPreferences } from '@parley/db'
import { Dead, Later } from '@parley/queue'
import type { Logger } from '@parley/runtime'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { ClosingDrain } from '../src/push/closings.ts'
import { heldSince, noteHeld } from '../src/push/held.ts'
import { topicOf } from '../src/push/notification.ts'
import { closeOf, createPushBed, digestOf, newsOf, type PushBed, people } from './push-bed.ts'
import { quietNow } from './push-setting.ts'

const HOUR_MS = 3_600_000

let bed: PushBed
beforeAll(async () => {
  bed = await createPushBed()
})
afterEach(() => {
  vi.restoreAllMocks()
  bed.queued()
})
afterAll(() => bed?.[Symbol.asyncDispose]())

describe('a summary', () => {
  it('counts what a device has not been notified of, and a notification that replaces a part counts only that', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1, 2)
    const [first = '', second = ''] = conversations
    const [phone = ''] = devices
    await bed.say(first, sender, 'one')
    await bed.run(newsOf(person, first))
    await bed.say(first, sender, 'two')
    await bed.say(second, sender, 'Hello')
    await bed.run(digestOf(person))
    expect(bed.sentTo(phone)[1]).toMatchObject({ tag: 'digest', data: { count: 2, conversations: 2 } })
    // Clicking opens the latest.
    expect(bed.sentTo(phone)[1]?.data).toMatchObject({ conversationId: second })
    await bed.say(first, sender, 'three')
    await bed.run(newsOf(person, first, 3))
    expect(bed.sentTo(phone)[2]).toMatchObject({ tag: first, data: { count: 2 } })
  })

  it('of one conversation replaces its notification, and covers what came after it', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'one')
    await bed.run(newsOf(person, conversation))
    await bed.say(conversation, sender, 'two')
    await bed.run(digestOf(person))
    expect(bed.sentTo(phone)[1]).toMatchObject({ tag: conversation, body: 'two', data: { count: 1 } })
    expect(bed.deliveriesTo(phone).map(({ topic }) => topic)).toEqual(Array(2).fill(topicOf(conversation)))
  })

  it('covers nothing that is muted or that the person has left', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1, 3)
    const [muted = '', left = '', told = ''] = conversations
    const [phone = ''] = devices
    for (const conversation of conversations) await bed.say(conversation, sender, 'Hello')
    await bed.set(`muted_until = now() + interval '1 hour'`, person, muted)
    await bed.set('left_at = now()', person, left)
    await bed.run(digestOf(person))
    expect(bed.sentTo(phone)).toMatchObject([{ tag: told, data: { count: 1 } }])
  })

  it('that fails covers the same period when it is retried', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'the first')
    const { id, data } = digestOf(person)
    const job = { name: 'digest', id, data: { ...data, since: new Date(Date.now() + HOUR_MS).toISOString() } } as const
    await noteHeld(bed.redis, id, Date.now() - HOUR_MS, Date.now())
    vi.spyOn(bed.deps.lookup, 'foreground').mockRejectedValueOnce(new Error('away'))
    await expect(bed.run(job)).rejects.toThrow('away')
    await bed.run(job)
    expect(bed.sentTo(phone)).toMatchObject([{ body: 'the first' }])
  })
})

describe('quiet hours', () => {
  it('have a summary for each end they are set to, which starts with the first message held', async () => {
    const { sender, person, conversations } = await people(bed, 1)
    const [conversation = ''] = conversations
    await bed.say(conversation, sender, 'Hello')
    // Only once: a minute that starts meanwhile would be another end.
    const now = Date.now()
    const minute = (offset: number) => new Date(now + offset * 60_000).toISOString().slice(11, 16)
    const held = async (ends: number, sentAt: number) => {
      const quietHours = { start: minute(-1), end: minute(ends), timeZone: 'UTC' }
      await savePushPreferences(bed.db.pool, person, { quietHours })
      const job = newsOf(person, conversation)
      await bed.run({ ...job, data: { ...job.data, sentAt } })
      const [digest] = bed.queued()
      return digest?.id ?? ''
    }
    const first = await held(30, now)
    expect(await held(30, now - 5_000)).toBe(first)
    expect(await held(30, now - 1_000)).toBe(first)
    expect(await heldSince(bed.redis, first, new Date(now).toISOString())).toBe(new Date(now - 5_000).toISOString())
    expect(await held(40, now)).not.toBe(first)
  })

  it('that have been changed postpone the summary', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    await savePushPreferences(bed.db.pool, person, { quietHours: quietNow() })
    await expect(bed.run(digestOf(person))).rejects.toThrow(Later)
    expect(bed.sentTo(phone)).toEqual([])
  })
})

describe('a device', () => {
  it('keeps a summary until everything in it has been read or has its own notification', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1, 2)
    const [first = '', second = ''] = conversations
    const [phone = ''] = devices
    const told = () => bed.sentTo(phone).map(({ kind, tag }) => `${kind} ${tag}`)
    for (const conversation of conversations) await bed.say(conversation, sender, 'Hello')
    await bed.run(digestOf(person))
    await bed.read(person, first, 1)
    await bed.run(closeOf(person, first))
    expect(told()).toEqual(['show digest'])
    await bed.say(second, sender, 'Again')
    await bed.run(newsOf(person, second, 2))
    await bed.run(bed.jobFor(phone))
    expect(told()).toEqual(['show digest', `show ${second}`, 'close digest'])
  })

  it('is paused no longer than the TTL, whatever its push service says', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    bed.answer(phone, { kind: 'later', reason: '429', afterMs: 10 * 24 * HOUR_MS })
    await bed.run(newsOf(person, conversation))
    expect(bed.jobFor(phone).delayMs).toBeLessThanOrEqual(24 * HOUR_MS)
  })

  it('of somebody who has left is told to close its notification', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    await bed.run(newsOf(person, conversation))
    await bed.set('left_at = now()', person, conversation)
    await bed.run(closeOf(person, conversation))
    expect(bed.sentTo(phone)[1]).toMatchObject({ kind: 'close', tag: conversation })
  })

  it('whose push service says to retry at once is retried after a while', async () => {
    // With frozen time, no time passes between the end of a try and queueing the next one.
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    bed.answer(phone, { kind: 'later', reason: '429', afterMs: 0 })
    await bed.run(newsOf(person, conversation))
    const [again] = bed.queued()
    // Two seconds, minus up to half.
    expect(again?.delayMs).toBeGreaterThanOrEqual(1_000)
  })

  it('whose push service also finds the shorter payload too large is given up on', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    bed.answer(phone, { kind: 'too large' })
    await expect(bed.run(newsOf(person, conversation))).rejects.toThrow(Dead)
    expect(bed.sentTo(phone)).toHaveLength(2)
  })

  it('does not appear in the log if a push service quotes it in a refusal', async () => {
    const { sender, person, conversations, devices } = await people(bed, 1)
    const [conversation = '', phone = ''] = [conversations[0], devices[0]]
    await bed.say(conversation, sender, 'Hello')
    const endpoint = `https://push.example/${phone}`
    bed.answer(phone, { kind: 'refused', reason: '418', detail: `no subscription at ${endpoint} is known` })
    const error = vi.fn()
    await expect(bed.run(newsOf(person, conversation), { logger: { error } as unknown as Logger })).rejects.toThrow(
      Dead,
    )
    expect(error).toHaveBeenCalledOnce()
    expect(JSON.stringify(error.mock.calls)).toContain('no subscription at [address] is known')
    expect(JSON.stringify(error.mock.calls)).not.toContain(phone)
  })
})

describe('recorded closings', () => {
  it('are each queued exactly once', async () => {
    const { person, conversations } = await people(bed, 1, 2)
    const [first = '', second = ''] = conversations
    const failed = Promise.withResolvers<never>()
    const drain = new ClosingDrain({ ...bed.deps, idleMs: 10, onError: failed.reject })
    const note = (...noted: string[]) =>
      bed.db.pool.query('insert into push_closings (conversation_id, user_id) select c, $2 from unnest($1::uuid[]) c', [
        noted,
        person,
      ])
    const counted = async () => {
      const shown = await bed.registry.getSingleMetric('parley_push_queued_total')?.get()
      return shown?.values.find(({ labels }) => 'kind' in labels && labels.kind === 'close')?.value ?? 0
    }
    const left = async () =>
      (await bed.db.pool.query('select from push_closings where user_id = $1', [person])).rowCount
    const before = await counted()
    await note(first, second)
    drain.start()
    await Promise.race([expect.poll(left).toBe(0), failed.promise])
    await note(first)
    await Promise.race([expect.poll(left).toBe(0), failed.promise])
    await drain.stop()
    const all = bed.queued()
    const jobs = all.filter(({ data }) => data.userId === person)
    expect(jobs).toMatchObject([first, second, first].map((conversationId) => ({ data: { conversationId } })))
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(3)
    expect(await counted()).toBe(before + all.length)
  })
})
