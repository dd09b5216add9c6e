import { randomUUID } from 'node:crypto'
import type { PushDeviceRow, PushMemberRow } from '@parley/db'
import { backoffMs } from '@parley/runtime/backoff'
import { describe, expect, it } from 'vitest'
import { judge } from '../src/push/judge.ts'
import {
  digestPayload,
  encodePayload,
  type News,
  newsPayload,
  PAYLOAD_BYTES,
  topicOf,
} from '../src/push/notification.ts'
import { outcomeOf, parseRetryAfter } from '../src/push/outcome.ts'
import { quietUntil } from '../src/push/quiet-hours.ts'

const NOW = Date.parse('2025-12-11T10:30:00Z')

describe('quiet hours', () => {
  const quiet = (start: string, end: string, zone: string) => ({ quiet_start: start, quiet_end: end, time_zone: zone })
  const at = (text: string) => Date.parse(text)

  it('apply in the person’s own time zone, past midnight too', () => {
    const night = quiet('22:00', '07:00', 'Asia/Dhaka') // UTC+6
    expect(quietUntil(night, at('2025-12-11T15:59:59Z'))).toBeNull()
    expect(quietUntil(night, at('2025-12-11T16:00:00Z'))).toBe(at('2025-12-12T01:00:00Z'))
    expect(quietUntil(night, at('2025-12-11T20:30:45.5Z'))).toBe(at('2025-12-12T01:00:00Z'))
    expect(quietUntil(night, at('2025-12-12T00:59:59Z'))).toBe(at('2025-12-12T01:00:00Z'))
    expect(quietUntil(night, at('2025-12-12T01:00:00Z'))).toBeNull()
    expect(quietUntil(quiet('12:00', '13:30', 'Asia/Kolkata'), at('2025-12-11T07:00:00Z'))).toBe(
      at('2025-12-11T08:00:00Z'),
    )
  })

  it('end at the wall-clock time in a night in which the clocks change', () => {
    const night = quiet('22:00', '07:00', 'Europe/Berlin')
    expect(quietUntil(night, at('2025-03-29T22:00:00Z'))).toBe(at('2025-03-30T05:00:00Z'))
    expect(quietUntil(night, at('2025-10-25T21:00:00Z'))).toBe(at('2025-10-26T06:00:00Z'))
    // By half an hour, and back past midnight into the day before.
    expect(quietUntil(quiet('22:00', '07:00', 'Australia/Lord_Howe'), at('2025-04-05T12:00:00Z'))).toBe(
      at('2025-04-05T20:30:00Z'),
    )
    expect(quietUntil(quiet('20:00', '00:15', 'America/Nuuk'), at('2024-10-26T23:30:00Z'))).toBe(
      at('2024-10-27T02:15:00Z'),
    )
  })

  it('whose end is skipped by a clock change are over in the next minute', () => {
    const night = quiet('22:00', '02:30', 'Europe/Berlin')
    expect(quietUntil(night, at('2025-03-30T00:59:30Z'))).toBe(at('2025-03-30T01:00:00Z'))
    expect(quietUntil(night, at('2025-03-30T01:00:00Z'))).toBeNull()
    // From 23:00 to 00:00: at the next check they are over.
    const evening = quiet('20:00', '23:45', 'America/Nuuk')
    expect(quietUntil(evening, at('2024-03-31T00:30:00Z'))).toBeLessThanOrEqual(at('2024-03-31T01:00:00Z'))
    expect(quietUntil(evening, at('2024-03-31T01:00:00Z'))).toBeNull()
  })

  it('do not exist unless set', () => {
    expect(quietUntil({ quiet_start: null, quiet_end: null, time_zone: null }, NOW)).toBeNull()
  })
})

describe('answers of a push service', () => {
  it('are interpreted as in RFC 8030 and as the services use them', () => {
    const kind = (status: number) => outcomeOf(status, undefined).kind
    expect([201, 202, 404, 410, 413].map(kind)).toEqual(['sent', 'sent', 'gone', 'gone', 'too large'])
    expect([429, 500, 502, 503, 408].map(kind)).toEqual(Array(5).fill('later'))
    expect([400, 401, 403, 301, 307].map(kind)).toEqual(Array(5).fill('refused'))
  })

  it('say when to retry, in seconds or as a date', () => {
    expect(parseRetryAfter('120', NOW)).toBe(120_000)
    expect(parseRetryAfter('Thu, 11 Dec 2025 10:31:00 GMT', NOW)).toBe(60_000)
    expect(parseRetryAfter('Thu, 11 Dec 2025 10:00:00 GMT', NOW)).toBe(0)
    expect([undefined, 'soon'].map((header) => parseRetryAfter(header, NOW))).toEqual([null, null])
  })

  it('lead to delays that double up to a limit, minus up to half at random', () => {
    expect([1, 2, 3, 30].map((attempt) => backoffMs(attempt, 1_000, 60_000, 0))).toEqual([1_000, 2_000, 4_000, 60_000])
    expect(backoffMs(3, 1_000, 60_000, 1)).toBe(2_000)
  })
})

describe('a notification', () => {
  const message: News['message'] = {
    id: randomUUID(),
    conversationId: randomUUID(),
    seq: 7,
    senderName: 'Ahmed Hassan',
    senderPhoto: 'https://example.com/a.png',
    content: 'Hello!',
    type: 'TEXT',
    fileNames: [],
  }
  const news: News = { message, count: 1, conversation: { type: 'GROUP', name: 'Project' }, showContent: true }
  const bodyOf = (change: Partial<News['message']>) => {
    const payload = newsPayload({ ...news, message: { ...message, ...change } })
    return payload.kind === 'show' ? payload.body : null
  }

  it('has a body that fits what was sent', () => {
    expect(bodyOf({})).toBe('Hello!')
    expect(bodyOf({ type: 'FILE', fileNames: ['report.pdf'] })).toBe('Hello!')
    const empty = { content: '' }
    expect(bodyOf({ ...empty, type: 'FILE', fileNames: ['report.pdf'] })).toBe('📎 report.pdf')
    expect(bodyOf({ ...empty, type: 'IMAGE', fileNames: ['a.png', 'b.png', 'c.png'] })).toBe('📷 Photo (+2)')
    expect(bodyOf({ ...empty, type: 'VIDEO' })).toBe('🎬 Video')
    expect(bodyOf({ ...empty, type: 'AUDIO' })).toBe('🎤 Audio')
  })

  it('has no backticks around code, which the chat shows without them, too', () => {
    expect(bodyOf({ content: 'Run `npm start`:\n```sh\nnpm test\n```' })).toBe('Run npm start:\nnpm test')
    expect(bodyOf({ content: "The `90s, rock`n'roll" })).toBe("The `90s, rock`n'roll")
    expect(bodyOf({ content: '``````' })).toBe('``````')
  })

  it('has the group’s name as its title when it counts several messages', () => {
    expect(newsPayload(news)).toMatchObject({ title: 'Ahmed Hassan', icon: 'https://example.com/a.png' })
    expect(newsPayload({ ...news, count: 3 })).toMatchObject({ title: 'Project', body: '3 new messages' })
    const unnamed = { ...news, count: 3, conversation: { type: 'GROUP', name: null } } as const
    expect(newsPayload(unnamed)).toMatchObject({ title: 'Ahmed Hassan', body: '3 new messages' })
    expect(newsPayload({ ...news, count: 100 })).toMatchObject({ body: '99+ new messages' })
    expect(newsPayload({ ...news, showContent: false })).toMatchObject({ body: 'New message' })
    expect(digestPayload(message, [2, 100])).toMatchObject({ title: '102+ new messages', body: 'In 2 conversations' })
  })

  it('fits into a push, truncated between characters', () => {
    for (const content of ['𝒜'.repeat(5_000), '"\\'.repeat(5_000), 'a'.repeat(10_000)]) {
      const text = encodePayload(newsPayload({ ...news, message: { ...message, content } }))
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(PAYLOAD_BYTES)
      expect(Buffer.byteLength(text)).toBeGreaterThan(PAYLOAD_BYTES - 10)
      expect(JSON.parse(text).body.isWellFormed()).toBe(true)
      // More text is preferred to an icon.
      expect(JSON.parse(text)).not.toHaveProperty('icon')
    }
    const senderName = '𝒜'.repeat(60)
    const { title } = newsPayload({ ...news, message: { ...message, senderName } }) as { title: string }
    expect(title).toBe(`${'𝒜'.repeat(49)}…`)
  })

  it('has a Topic that depends only on the tag and does not reveal it', () => {
    expect(topicOf(message.conversationId)).toMatch(/^[\w-]{32}$/)
    expect(topicOf(message.conversationId)).toBe(topicOf(message.conversationId))
    expect(topicOf(message.conversationId)).not.toBe(topicOf('digest'))
  })
})

describe('who is notified, and of what', () => {
  const member: PushMemberRow = {
    conversation_id: '',
    user_id: '',
    member: true,
    muted: false,
    last_read_seq: 0,
    last_seq: 10,
    type: 'DIRECT',
    name: null,
    show_content: true,
    quiet_start: null,
    quiet_end: null,
    time_zone: null,
  }
  const device = (change: Partial<PushDeviceRow> = {}): PushDeviceRow => ({
    conversation_id: '',
    user_id: '',
    id: randomUUID(),
    endpoint: '',
    p256dh: '',
    auth: '',
    retry_at: null,
    from_seq: null,
    seq: null,
    digest: null,
    pushed_at: null,
    ...change,
  })
  const decide = (change: Partial<Parameters<typeof judge>[0]>) =>
    judge({
      member,
      devices: [device()],
      foreground: false,
      seq: 5,
      firstSeq: 5,
      sentAt: NOW - 400,
      now: NOW,
      times: { burstMs: 3_000 },
      ...change,
    })
  const shown = (seq: number, agoMs: number) =>
    device({ seq, from_seq: seq, digest: false, pushed_at: new Date(NOW - agoMs).toISOString() })

  it('excludes those who left, read, muted, are looking, have no device or were already notified', () => {
    const reason = (change: Partial<Parameters<typeof judge>[0]>) => {
      const verdict = decide(change)
      return verdict.kind === 'suppress' ? verdict.reason : verdict.kind
    }
    expect(reason({})).toBe('tell')
    expect(reason({ member: undefined })).toBe('left')
    expect(reason({ member: { ...member, member: false } })).toBe('left')
    expect(reason({ member: { ...member, last_read_seq: 5 } })).toBe('read')
    expect(reason({ member: { ...member, muted: true } })).toBe('muted')
    expect(reason({ foreground: true })).toBe('foreground')
    expect(reason({ devices: [] })).toBe('no device')
    expect(reason({ devices: [shown(5, 60_000)] })).toBe('covered')
  })

  it('waits for the burst to end, and then counts what it replaces', () => {
    expect(decide({ devices: [shown(4, 1_000)] })).toEqual({ kind: 'wait', until: NOW + 2_000 })
    expect(decide({ devices: [shown(4, 2_900), shown(4, 1_000)] })).toEqual({ kind: 'wait', until: NOW + 2_000 })
    // Another device, which has already been notified of everything, does not delay this one.
    expect(decide({ devices: [shown(5, 1_000), shown(4, 60_000)] }).kind).toBe('tell')
    // A summary covers many conversations and starts no burst of this one.
    expect(decide({ devices: [{ ...shown(4, 1_000), digest: true }] }).kind).toBe('tell')
    const counted = (verdict: ReturnType<typeof judge>) => (verdict.kind === 'tell' ? [...verdict.groups.keys()] : null)
    expect(counted(decide({ devices: [shown(4, 3_100)], sentAt: NOW - 1_000 }))).toEqual([3])
    expect(counted(decide({ devices: [shown(4, 60_000)] }))).toEqual([4])
    expect(counted(decide({}))).toEqual([4])
    // It replaces its part of a summary, however old that is.
    expect(counted(decide({ devices: [{ ...shown(4, 60_000), from_seq: 2, digest: true }] }))).toEqual([1])
    expect(counted(decide({ member: { ...member, last_read_seq: 4 }, firstSeq: 2 }))).toEqual([4])
  })

  it('holds everything in quiet hours', () => {
    const quiet = { quiet_start: '10:00', quiet_end: '11:00', time_zone: 'UTC' }
    expect(decide({ member: { ...member, ...quiet } })).toEqual({ kind: 'hold', until: NOW + 30 * 60_000 })
  })
})
