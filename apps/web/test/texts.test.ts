import type { Conversation, Participant } from '@parley/client'
import { describe, expect, it } from 'vitest'
import { parseRoute } from '../src/app/route.ts'
import { iconFor, titleFor } from '../src/chat/unread.ts'
import { fitted, kindOf } from '../src/conversation/file-kinds.ts'
import { deliveryOf, newestVisible } from '../src/conversation/receipts.ts'
import { subtitleOf } from '../src/conversation/subtitle.ts'
import { filterConversations, previewOf } from '../src/conversations/preview.ts'
import { initialsOf, listNames, TONES, titleOf, toneOf } from '../src/people/names.ts'
import { daysBetween, lastSeenOf, listTimeOf } from '../src/text/dates.ts'
import { isEmojiOnly } from '../src/text/emoji.ts'
import { excerpt, markParts } from '../src/text/highlight.ts'
import { countOf, sizeOf } from '../src/text/sizes.ts'

function person(id: string, fullName: string, more: Partial<Participant> = {}): Participant {
  return { id, fullName, profilePhoto: null, role: 'MEMBER', isOnline: false, lastSeen: null, lastReadSeq: 0, ...more }
}

function conversation(participants: Participant[], more: Partial<Conversation> = {}): Conversation {
  return {
    id: 'c',
    type: 'GROUP',
    name: null,
    createdBy: 'me',
    participants,
    participantCount: participants.length,
    lastMessage: null,
    unreadCount: 0,
    lastSeq: 0,
    lastReadSeq: 0,
    rev: 1,
    createdAt: '2026-03-01T00:00:00Z',
    updatedAt: '2026-03-01T00:00:00Z',
    ...more,
  }
}

const me = person('me', 'Me Myself')
const [ana, bo, zoe] = [person('a', 'Ana Lúcia'), person('b', 'Bo Ek'), person('z', 'Zoë')]

describe('names', () => {
  it('name a conversation by its name, the other person, or its first members', () => {
    expect(titleOf(conversation([ana, me], { type: 'DIRECT' }), 'me')).toBe('Ana Lúcia')
    expect(titleOf(conversation([ana, bo, me], { name: 'Team' }), 'me')).toBe('Team')
    expect(titleOf(conversation([ana, bo, me]), 'me')).toBe('Ana, Bo')
    expect(titleOf(conversation([ana, bo, zoe, me], { participantCount: 9 }), 'me')).toBe('Ana, Bo, Zoë +5')
    expect(titleOf(conversation([me]), 'me')).toBe('Just you')
  })

  it('become initials and one of the colours', () => {
    expect(initialsOf('Ahmed Hassan')).toBe('AH')
    expect(initialsOf('  مها ')).toBe('م')
    expect(initialsOf('👩‍👩‍👧 ...')).toBe('?')
    expect(initialsOf('x')).toBe('X')
    for (const id of ['ahmed', 'fatima', '', 'x'.repeat(128), '01a20a7f-0303-7746-b8de-eb5ffb9b3d1e']) {
      expect(Array.from({ length: TONES }, (_, tone) => tone)).toContain(toneOf(id))
    }
  })

  it('are listed', () => {
    expect(listNames(['A'])).toBe('A')
    expect(listNames(['A', 'B'])).toBe('A and B')
    expect(listNames(['A', 'B', 'C'])).toBe('A, B and 1 other')
    expect(listNames(['A', 'B', 'C', 'D'])).toBe('A, B and 2 others')
  })

  it('are found regardless of case and accents', () => {
    const all = [conversation([ana, me], { type: 'DIRECT' }), conversation([zoe, bo, me], { name: 'Team' })]
    const found = (text: string) => filterConversations(all, text, (one) => titleOf(one, 'me')).length
    expect([found(''), found('LUCIA'), found('zoe team'), found('zoe ana')]).toEqual([2, 1, 1, 0])
  })
})

describe('a row of the list', () => {
  it('says who sent the last message if that is not obvious', () => {
    const message = {
      senderId: 'a',
      sender: ana,
      content: ' two\n lines ',
      type: 'TEXT',
      attachments: [],
    } as unknown as NonNullable<Conversation['lastMessage']>
    expect(previewOf(conversation([ana, me]), 'me').words).toBe('No messages yet')
    expect(previewOf(conversation([ana, me], { lastMessage: message }), 'me')).toEqual({
      who: 'Ana',
      words: 'two lines',
    })
    const direct = conversation([ana, me], { type: 'DIRECT', lastMessage: message })
    const withCode = { ...message, content: 'Run `npm start`:\n```sh\nnpm start\n```' }
    expect(previewOf({ ...direct, lastMessage: withCode }, 'me').words).toBe('Run npm start: npm start')
    expect(previewOf(direct, 'me').who).toBeNull()
    expect(previewOf(direct, 'a').who).toBe('You')
    const photo = { ...message, content: '', type: 'IMAGE' as const }
    expect(previewOf({ ...direct, lastMessage: photo }, 'me').words).toBe('Photo')
  })

  it('says who is online', () => {
    expect(subtitleOf(conversation([person('a', 'A', { isOnline: true }), me], { type: 'DIRECT' }), 'me')).toBe(
      'Online',
    )
    expect(subtitleOf(conversation([person('a', 'A', { isOnline: true }), bo, me]), 'me')).toBe('3 members, 1 online')
    expect(subtitleOf(conversation([me]), 'me')).toBe('1 member')
  })
})

describe('read state', () => {
  it('is sent, read by some, read by everyone', () => {
    const group = conversation([ana, bo, me])
    const by = (...readBy: string[]) => deliveryOf({ senderId: 'me', readBy: ['me', ...readBy] }, group)
    expect(by()).toEqual({ state: 'sent' })
    expect(by('a')).toEqual({ state: 'partly', readers: ['a'] })
    expect(by('a', 'b')).toEqual({ state: 'read', readers: ['a', 'b'] })
    // Somebody who has since left had read it, too.
    expect(by('a', 'b', 'z').state).toBe('read')
  })

  it('goes up to the newest visible message', () => {
    const rows = [undefined, 5, 6, undefined, 7, undefined]
    expect([-1, 0, 1, 3, 4, 5, 99].map((last) => newestVisible(rows, last))).toEqual([
      undefined,
      undefined,
      5,
      6,
      7,
      7,
      7,
    ])
  })
})

describe('the tab', () => {
  it('shows how much is unread', () => {
    expect([0, 1, 100].map((unread) => titleFor(unread))).toEqual(['Parley', '(1) Parley', '(99+) Parley'])
    const [plain, marked] = [0, 3].map((unread) => decodeURIComponent(iconFor('<svg></svg>', unread)))
    expect(plain).toBe('data:image/svg+xml,<svg></svg>')
    expect(marked).toMatch(/<circle[^>]*\/><\/svg>$/)
  })

  it('is encoded in the URL', () => {
    expect(parseRoute('#/c/0af-1')).toEqual({ conversationId: '0af-1', seq: null })
    expect(parseRoute('#/c/0af-1/m/12')).toEqual({ conversationId: '0af-1', seq: 12 })
    for (const hash of ['', '#/', '#/c/', '#/c/a/m/0', '#/c/a/m/x', '#/c/a"b', '#/c/../x']) {
      expect(parseRoute(hash).conversationId, hash).toBeNull()
    }
  })
})

describe('times and sizes', () => {
  it('count days by the calendar', () => {
    const day = (date: number, hour: number) => new Date(2026, 2, date, hour)
    expect(daysBetween(day(1, 23), day(2, 0))).toBe(1)
    expect(daysBetween(day(1, 0), day(1, 23))).toBe(0)
    // Clocks go forward on the 8th in some places and on the 29th in others.
    expect(daysBetween(day(1, 12), day(31, 12))).toBe(30)
    expect(listTimeOf(day(1, 23), day(2, 1))).toBe('Yesterday')
    expect(listTimeOf(day(2, 13), day(2, 20))).toMatch(/\d/)
  })

  it('say when somebody was last seen', () => {
    const now = new Date('2026-03-02T12:00:00Z')
    const ago = (minutes: number) => lastSeenOf(new Date(now.getTime() - 60_000 * minutes).toISOString(), now)
    expect(lastSeenOf(null, now)).toBe('Offline')
    expect(ago(0)).toBe('Last seen just now')
    expect(ago(5)).toBe('Last seen 5 minutes ago')
    expect(ago(180)).toBe('Last seen 3 hours ago')
  })

  it('are short', () => {
    expect([0, 999, 1_000, 1_449_000, 25_000_000, 3e12].map(sizeOf)).toEqual([
      '0 B',
      '999 B',
      '1.0 KB',
      '1.4 MB',
      '25 MB',
      '3000 GB',
    ])
    expect([1, 99, 100].map(countOf)).toEqual(['1', '99', '99+'])
  })

  it('fit pictures into a bubble', () => {
    expect(fitted(4000, 3000)).toEqual({ width: 320, height: 240 })
    expect(fitted(100, 3000)).toEqual({ width: 48, height: 320 })
    expect(fitted(60, 50)).toEqual({ width: 60, height: 50 })
    expect([kindOf('image/png', 'x'), kindOf('application/zip', 'a.ZIP'), kindOf('', 'constructor')]).toEqual([
      'image',
      'archive',
      'file',
    ])
  })
})

describe('a message of emoji alone', () => {
  it('is distinguished from text, numbers and longer rows', () => {
    for (const few of ['🎉', ' 👍🏽 ', '❤️ 👩‍👩‍👧 🇩🇪', '🏴󠁧󠁢󠁳󠁣󠁴󠁿🏴󠁧󠁢󠁳󠁣󠁴󠁿🏴󠁧󠁢󠁳󠁣󠁴󠁿']) expect(isEmojiOnly(few), few).toBe(true)
    for (const text of ['', ' ', '1', '#*', 'ok 👍', '©', '👍👍👍👍', ' '.repeat(100_000)])
      expect(isEmojiOnly(text), text.slice(0, 9)).toBe(false)
  })
})

describe('what a search has found', () => {
  it('is marked, even if ranges are out of order or out of bounds', () => {
    const parts = markParts('one two three', [
      { start: 8, end: 99 },
      { start: 0, end: 3 },
      { start: 2, end: 5 },
    ])
    expect(parts.map(({ text, marked }) => (marked ? `[${text}]` : text)).join('')).toBe('[one][ t]wo [three]')
  })

  it('is cut to the text around the first match', () => {
    const text = `${'word '.repeat(100)}needle and more ${'word '.repeat(100)}`
    const start = text.indexOf('needle')
    const cut = excerpt(text, [{ start, end: start + 6 }], 80)
    expect(cut.text.length).toBeLessThanOrEqual(81)
    expect(cut.ranges.map((range) => cut.text.slice(range.start, range.end))).toEqual(['needle'])
    const emoji = '😀'.repeat(200)
    for (const at of [0, 199, 200, 398]) {
      for (const length of [79, 80]) {
        expect(excerpt(emoji, [{ start: at & ~1, end: (at & ~1) + 2 }], length).text.isWellFormed()).toBe(true)
      }
    }
    expect(excerpt('short', [{ start: 0, end: 5 }])).toEqual({ text: 'short', ranges: [{ start: 0, end: 5 }] })
  })
})
