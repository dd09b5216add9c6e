import { describe, expect, it } from 'vitest'
import { judge, lagging } from '../src/check.ts'
import type { Acked, Arrival, ChaosClient, Seen, View } from '../src/client.ts'
import { isGood, table } from '../src/report.ts'
import type { Failed } from '../src/traffic.ts'
import { type Standing, type Stored, viewsOf } from '../src/truth.ts'
import { compareViews } from '../src/views.ts'

/* The checker on made-up evidence: it has to see each kind of damage, and none where there is none. */

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
  /** Who comes and goes: by seq, in place of that message's text. */
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

describe('of messages the checker', () => {
  it('finds nothing where there is nothing', () => {
    expect(counts({})).toEqual(none)
  })

  it('finds what was acked and is not stored, or stored as something else', () => {
    expect(counts({ rows: stored.slice(0, 2) }).lost).toBe(1)
    const changed = [...stored.slice(0, 2), { ...text(3), content: '3 from somebody' }]
    expect(counts({ rows: changed }).lost).toBe(1)
  })

  it('finds what a member has not got, has twice, in another order, or as something else', () => {
    expect(counts({ delivered: stored.slice(0, 2) })).toEqual({ ...none, lost: 1 })
    expect(counts({ delivered: [...stored, text(3)] })).toEqual({ ...none, duplicated: 1 })
    expect(counts({ delivered: [text(1), text(3), text(2)] })).toEqual({ ...none, misordered: 1 })
    const other = { ...text(3), content: 'other' }
    expect(counts({ delivered: [text(1), text(2), other] })).toEqual({ ...none, lost: 1 })
  })

  it('finds gaps, messages stored twice, wrong acks and one sender’s messages out of order', () => {
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

describe('of who comes and goes the checker', () => {
  const added = { event: 'participantsAdded' as const, userIds: ['a'] }
  const removed = { event: 'participantRemoved' as const, userIds: ['a'] }
  const got = (seq: number, at: number) => [{ conversationId: ROOM, seq, at }]

  it('asks of a member what was stored since they came in, and of others nothing', () => {
    expect(counts({ system: { 2: added }, joinedSeq: 1, delivered: stored.slice(1) })).toEqual(none)
    expect(counts({ system: { 2: added }, joinedSeq: 1, delivered: stored.slice(2) })).toEqual({ ...none, lost: 1 })
    expect(counts({ system: { 3: removed }, isMember: false, delivered: [] })).toEqual(none)
    const { standings, clients } = evidence({ joinedSeq: 1, delivered: stored.slice(0, 2) })
    expect(lagging(standings, clients, new Map([[ROOM, 3]]))).toHaveLength(1)
    expect(lagging(standings, clients, new Map([[ROOM, 2]]))).toEqual([])
    const late = evidence({ joinedSeq: 2, delivered: [] })
    expect(lagging(late.standings, late.clients, new Map([[ROOM, 2]]))).toEqual([])
  })

  it('finds what reached somebody who had been taken out, from the message on that tells of it', () => {
    const out = { system: { 2: removed }, isMember: false }
    expect(counts({ ...out, arrivals: got(1, 9_000) })).toEqual(none)
    expect(counts({ ...out, arrivals: got(2, 9_000) })).toEqual({ ...none, leaked: 1 })
    const back = { system: { 2: removed, 3: added } }
    expect(counts({ ...back, arrivals: got(2, 2_900) })).toEqual({ ...none, leaked: 1 })
    // Who is added again sees all of it.
    expect(counts({ ...back, arrivals: got(2, 3_100) })).toEqual(none)
  })

  it('finds what reached somebody who was not in it yet, or never', () => {
    expect(counts({ system: { 3: added }, arrivals: got(1, 2_900) })).toEqual({ ...none, leaked: 1 })
    expect(counts({ system: { 3: added }, arrivals: got(1, 3_100) })).toEqual(none)
    expect(counts({ isMember: false, arrivals: got(1, 9_000) })).toEqual({ ...none, leaked: 1 })
  })

  it('takes a refusal for right only of somebody who had been taken out', () => {
    const failed = [{ conversationId: ROOM, senderId: 'a', code: 'CONVERSATION_NOT_FOUND', problem: 'refused' }]
    expect(judge(evidence({ failed })).problems).toEqual(['refused'])
    expect(judge(evidence({ failed, system: { 1: removed, 2: added } })).problems).toEqual([])
    const [other] = failed.map((one) => ({ ...one, code: 'INTERNAL' }))
    expect(judge(evidence({ failed: other ? [other] : [], system: { 1: removed, 2: added } })).problems).toHaveLength(1)
  })

  it('finds whatever is shown otherwise than it is', () => {
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
    expect(compareViews(new Map(), real)).toEqual([`lacks ${ROOM}`])
    expect(compareViews(real, new Map())).toHaveLength(1)
  })
})

it('calls a run good when nothing at all is wrong', () => {
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
