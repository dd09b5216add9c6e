import { expect, it } from 'vitest'
import { judge, judgeOutsiders } from '../src/check.ts'
import type { Acked, ChaosClient, Seen } from '../src/client.ts'
import { isGood, table } from '../src/report.ts'
import type { Stage } from '../src/stage.ts'

/* The checker on made-up evidence: it has to see each kind of damage, and none where there is none. */

const ROOM = 'room'
const text = (seq: number): Seen => ({ id: `m${seq}`, seq, senderId: 'a', content: `${seq} from A` })
const stored = [text(1), text(2), text(3)]
const acked: Acked[] = stored.map((message) => ({ ...message, conversationId: ROOM }))

function evidence(rows: Seen[], delivered: Seen[], acks = acked) {
  const client = {
    user: { id: 'a', fullName: 'A', profilePhoto: null },
    describe: () => 'made up',
    delivered: () => delivered,
    conversations: () => [ROOM],
  } as Partial<ChaosClient> as ChaosClient
  const conversations = [{ id: ROOM, members: ['a'], ousted: new Map<string, number>() }]
  const stage = { conversations } as Partial<Stage> as Stage
  return { stage, clients: new Map([['a', client]]), acked: acks, truth: new Map([[ROOM, rows]]), checked: new Map() }
}

const counts = (rows: Seen[], delivered: Seen[], acks?: Acked[]) => {
  const { problems, ...kinds } = judge(evidence(rows, delivered, acks))
  expect(problems.length > 0).toBe(kinds.lost + kinds.duplicated + kinds.misordered > 0)
  return kinds
}
const none = { lost: 0, duplicated: 0, misordered: 0 }

it('finds nothing where there is nothing', () => {
  expect(counts(stored, stored)).toEqual(none)
})

it('finds what was acked and is not stored, or stored as something else', () => {
  expect(counts(stored.slice(0, 2), stored.slice(0, 2)).lost).toBe(1)
  const changed = [...stored.slice(0, 2), { ...text(3), content: '3 from somebody' }]
  expect(counts(changed, changed).lost).toBe(1)
})

it('finds what a member has not got, has twice, or has in another order', () => {
  expect(counts(stored, stored.slice(0, 2))).toEqual({ ...none, lost: 1 })
  expect(counts(stored, [...stored, text(3)]).duplicated).toBeGreaterThan(0)
  expect(counts(stored, [text(1), text(3), text(2)])).toEqual({ ...none, misordered: 2 })
})

it('finds gaps, messages stored twice, wrong acks and one sender’s messages out of order', () => {
  expect(counts([text(1), text(3)], [text(1), text(3)], []).misordered).toBeGreaterThan(0)
  const twice = [text(1), { ...text(1), id: 'other', seq: 2 }]
  expect(counts(twice, twice, [])).toEqual({ ...none, duplicated: 1 })
  const misplaced = acked.map((ack) => (ack.seq === 2 ? { ...ack, seq: 3 } : ack))
  expect(counts(stored, stored, misplaced)).toEqual({ ...none, misordered: 1 })
  const swapped = [
    { ...text(2), seq: 1 },
    { ...text(1), seq: 2 },
  ]
  expect(counts(swapped, swapped, [])).toEqual({ ...none, misordered: 1 })
})

it('finds who got something of a conversation that they are not in, or no longer in', () => {
  const { stage, clients } = evidence(stored, stored)
  expect(judgeOutsiders(stage, clients)).toEqual([])
  const [group] = stage.conversations
  if (group === undefined) throw new Error('no group')
  group.members = ['b']
  expect(judgeOutsiders(stage, clients)).toHaveLength(1)
  group.ousted.set('a', 2)
  expect(judgeOutsiders(stage, clients)).toHaveLength(1)
  group.ousted.set('a', 3)
  expect(judgeOutsiders(stage, clients)).toEqual([])
})

it('calls a run good when nothing at all is wrong', () => {
  const row = { fault: 'kill-api', acked: 7, lost: 0, duplicated: 0, misordered: 0, recoveryMs: 1_250 }
  const presence = {
    onlineMs: 1,
    offlineAfterDisconnectMs: 1,
    offlineAfterKillMs: null,
    convergedMs: 1,
    flickers: null,
  }
  expect(isGood({ faults: [row], presence, problems: [] })).toBe(true)
  expect(isGood({ faults: [{ ...row, lost: 1 }], presence, problems: [] })).toBe(false)
  expect(isGood({ faults: [{ ...row, recoveryMs: null }], presence, problems: [] })).toBe(false)
  expect(isGood({ faults: [row], presence, problems: ['a process died'] })).toBe(false)
  expect(table([row])).toContain('| kill-api |     7 |    0 |          0 |          0 |       1.3 s |')
})
