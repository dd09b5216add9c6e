import { describe, expect, it } from 'vitest'
import { judge, lagging } from '../src/check.ts'
import type { Acked, Arrival, ChaosClient, Seen, View } from '../src/client.ts'
import { isGood, table } from '../src/report.ts'
import type { Failed } from '../src/traffic.ts'
import { type Standing, type Stored, viewsOf } from '../src/truth.ts'
import { compareViews } from '../src/views.ts'

/* Tests the checker with fabricated evidence: it must detect every kind of damage, and report none if there is none. */

const ROOM = 'room'
const text = (seq: number): Seen => ({ id: `m${seq}`, seq, senderId: 'a', content: `${seq} from A` })
const stored = [text(1), text(2), text(3)]
const acked: Acked[] = stored.map((message) => ({ ...message, conversationId: ROOM }))

interface Made {
  rows?: readonly Seen[]
  delivered?: readonly Seen[]
  acks?: readonly Acked[]
  failed?: readonly Failed[]
  arrivals?: Arrival[]
  /** SYSTEM messages about members, by the seq of the text that they replace. */
  system?: Record<number, { event: 'participantsAdded' | 'participantRemoved'; userIds: string[] }>
  joinedSeq?: number
  isMember?: boolean
}

function evidence(made: Made) {
  const { rows = stored, delivered = rows, acks = acked, failed = [], arrivals = [], system = {} } = made
  const client = {
    user: { id: 'a', fullName: 'A', profilePhoto: null },
    describe: () => 'made up',
    delivered: new Map([[ROOM, delivered]]),
    arrivals,
  } as Partial<ChaosClient> as ChaosClient
  const member = { role: 'MEMBER' as const, lastReadSeq: 0, joinedSeq: made.joinedSeq ?? 0 }
  const members = new Map((made.isMember ?? true) ? [['a', member]] : [])
  const standing: Standing = { type: 'GROUP', name: null, lastSeq: rows.length, members }
  const truth: Stored[] = rows.map((row) => ({ ...row, system: system[row.seq] ?? null, at: row.seq * 1_000 }))
  return {
    clients: new Map([['a', client]]),
    acked: acks,
    failed,
    truth: new Map([[ROOM, truth]]),
    standings: new Map([[ROOM, standing]]),
    checked: new Map(),
  }
}

const counts = (made: Made) => {
  const { problems, ...kinds } = judge(evidence(made))
  expect(problems.length > 0).toBe(Object.values(kinds).some((count) => count > 0))
  return kinds
}
const none = { lost: 0, duplicated: 0, misordered: 0, leaked: 0 }

describe('for messages, the checker', () => {
  it('reports nothing if nothing is wrong', () => {
    expect(counts({})).toEqual(none)
  })

  it('detects an acked message that is not stored, or stored with other content', () => {
    expect(counts({ rows: stored.slice(0, 2) }).lost).toBe(1)
    const changed = [...stored.slice(0, 2), { ...text(3), content: '3 from somebody' }]
    expect(counts({ rows: changed }).lost).toBe(1)
  })

  it('detects a message that a member does not have, or has twice, out of order or with other content', () => {
    expect(counts({ delivered: stored.slice(0, 2) })).toEqual({ ...none, lost: 1 })
    expect(counts({ delivered: [...stored, text(3)] })).toEqual({ ...none, duplicated: 1 })
    expect(counts({ delivered: [text(1), text(3), text(2)] })).toEqual({ ...none, misordered: 1 })
    const other = { ...text(3), content: 'other' }
    expect(counts({ delivered: [text(1), text(2), other] })).toEqual({ ...none, lost: 1 })
  })

  it('detects gaps, messages stored twice, wrong acks and a sender’s messages out of order', () => {
    expect(counts({ rows: [text(1), text(3)], acks: [] }).misordered).toBeGreaterThan(0)
    expect(counts({ rows: [text(1), { ...text(1), id: 'other', seq: 2 }], acks: [] })).toEqual({
      ...none,
      duplicated: 1,
    })
    const misplaced = acked.map((ack) => (ack.seq === 2 ? { ...ack, seq: 3 } : ack))
    expect(counts({ acks: misplaced })).toEqual({ ...none, misordered: 1 })
    const swapped = [
      { ...text(2), seq: 1 },
      { ...text(1), seq: 2 },
    ]
    expect(counts({ rows: swapped, acks: [] })).toEqual({ ...none, misordered: 1 })
  })
})

describe('for memberships, the checker', () => {
  const added = { event: 'participantsAdded' as const, userIds: ['a'] }
  const removed = { event: 'participantRemoved' as const, userIds: ['a'] }
  const got = (seq: number, at: number) => [{ conversationId: ROOM, seq, at }]

  it('requires of members what was stored since they joined, and nothing of others', () => {
    expect(counts({ system: { 2: added }, joinedSeq: 1, delivered: stored.slice(1) })).toEqual(none)
    expect(counts({ system: { 2: added }, joinedSeq: 1, delivered: stored.slice(2) })).toEqual({ ...none, lost: 1 })
    expect(counts({ system: { 3: removed }, isMember: false, delivered: [] })).toEqual(none)
    const { standings, clients } = evidence({ joinedSeq: 1, delivered: stored.slice(0, 2) })
    expect(lagging(standings, clients, new Map([[ROOM, 3]]))).toHaveLength(1)
    expect(lagging(standings, clients, new Map([[ROOM, 2]]))).toEqual([])
    const late = evidence({ joinedSeq: 2, delivered: [] })
    expect(lagging(late.standings, late.clients, new Map([[ROOM, 2]]))).toEqual([])
  })

  it('detects what reached a removed member, from the message about the removal on', () => {
    const out = { system: { 2: removed }, isMember: false }
    expect(counts({ ...out, arrivals: got(1, 9_000) })).toEqual(none)
    expect(counts({ ...out, arrivals: got(2, 9_000) })).toEqual({ ...none, leaked: 1 })
    const back = { system: { 2: removed, 3: added } }
    expect(counts({ ...back, arrivals: got(2, 2_900) })).toEqual({ ...none, leaked: 1 })
    // A member who is added again sees all messages.
    expect(counts({ ...back, arrivals: got(2, 3_100) })).toEqual(none)
  })

  it('detects what reached somebody who was not a member yet, or never was', () => {
    expect(counts({ system: { 3: added }, arrivals: got(1, 2_900) })).toEqual({ ...none, leaked: 1 })
    expect(counts({ system: { 3: added }, arrivals: got(1, 3_100) })).toEqual(none)
    expect(counts({ isMember: false, arrivals: got(1, 9_000) })).toEqual({ ...none, leaked: 1 })
  })

  it('accepts a refusal only for somebody who had been removed', () => {
    const failed = [{ conversationId: ROOM, senderId: 'a', code: 'CONVERSATION_NOT_FOUND', problem: 'refused' }]
    expect(judge(evidence({ failed })).problems).toEqual(['refused'])
    expect(judge(evidence({ failed, system: { 1: removed, 2: added } })).problems).toEqual([])
    const [other] = failed.map((one) => ({ ...one, code: 'INTERNAL' }))
    expect(judge(evidence({ failed: other ? [other] : [], system: { 1: removed, 2: added } })).problems).toHaveLength(1)
  })

  it('detects any difference between what is shown and what is real', () => {
    const member = { role: 'MEMBER' as const, lastReadSeq: 2, joinedSeq: 0 }
    const standing: Standing = {
      type: 'GROUP',
      name: 'Team',
      lastSeq: 3,
      members: new Map([
        ['a', member],
        ['b', member],
      ]),
    }
    const real = viewsOf('a', new Map([[ROOM, standing]]))
    const view = real.get(ROOM) as View
    const shown = (change: Partial<View>) => compareViews(new Map([[ROOM, { ...view, ...change }]]), real)
    expect(shown({})).toEqual([])
    for (const change of [
      { name: null },
      { lastSeq: 2 },
      { lastReadSeq: 1 },
      { unreadCount: 0 },
      { type: 'DIRECT' as const },
    ])
      expect(shown(change)).toHaveLength(1)
    expect(shown({ members: new Map([['a', member]]) })).toHaveLength(1)
    expect(shown({ members: new Map([...view.members, ['b', { ...member, role: 'OWNER' as const }]]) })).toHaveLength(1)
    expect(shown({ members: new Map([...view.members, ['b', { ...member, lastReadSeq: 1 }]]) })).toHaveLength(1)
    expect(compareViews(new Map(), real)).toEqual([`does not show ${ROOM}`])
    expect(compareViews(real, new Map())).toHaveLength(1)
  })
})

it('calls a run good only if nothing is wrong', () => {
  const row = { fault: 'kill-api', acked: 7, ...none, recoveryMs: 1_250 }
  const presence = {
    onlineMs: 1,
    offlineAfterDisconnectMs: 1,
    offlineAfterKillMs: null,
    convergedMs: 1,
    flickers: null,
  }
  expect(isGood({ faults: [row], presence, problems: [] })).toBe(true)
  expect(isGood({ faults: [{ ...row, lost: 1 }], presence, problems: [] })).toBe(false)
  expect(isGood({ faults: [{ ...row, leaked: 1 }], presence, problems: [] })).toBe(false)
  expect(isGood({ faults: [{ ...row, recoveryMs: null }], presence, problems: [] })).toBe(false)
  expect(isGood({ faults: [row], presence, problems: ['a process died'] })).toBe(false)
  expect(table([row])).toContain('| kill-api |     7 |    0 |          0 |          0 |      0 |       1.3 s |')
})
