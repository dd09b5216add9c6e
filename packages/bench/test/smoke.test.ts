import { randomUUID } from 'node:crypto'
import { appendMessages } from '@parley/db'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { herdUsers } from '../src/load/herd-users.ts'
import { type Herd, startHerd } from '../src/load/run-herd.ts'
import { type BenchServices, startServices } from '../src/services.ts'
import { totalOf } from '../src/statement-log.ts'
import { bare } from '../src/subjects/bare.ts'
import { parley, type RunningParley } from '../src/subjects/parley.ts'
import type { Shape, Subject } from '../src/subjects/subject.ts'
import { measureByTurns, processorTable } from '../src/turns.ts'

/*
 * Runs the benchmark's scenarios for a few seconds each. The bounds are wide: a halved speed should be noticed, a noisy machine
 * should not. What does not depend on the machine's speed (statement counts, completeness) must meet the goals.
 */
const SEND: Shape = { users: 100, roomSize: 5 }
const HERD: Shape = { users: 200, roomSize: 5, roomsEach: 20 }
const GROUP: Shape = { users: 100, roomSize: 100 }

describe('the benchmark, for some seconds', () => {
  let services: BenchServices
  beforeAll(async () => {
    services = await startServices()
  })
  afterAll(() => services[Symbol.asyncDispose]())

  /** Runs `work` with a new Parley and the whole herd connected. */
  async function withHerd(shape: Shape, syncs: boolean, work: (herd: Herd, running: RunningParley) => Promise<void>) {
    const running = await parley.start(services, shape)
    try {
      await using herd = await startHerd(herdUsers(running.users, shape, syncs))
      await herd.request({ type: 'connect', atOnce: 50 })
      await work(herd, running)
    } finally {
      await running.stop()
    }
  }

  test('send: the processor time of a durable message compared with one that the plain stack does not store', async () => {
    const plan = { inFlight: 4, contentBytes: 100 }
    const turns = { shape: SEND, plan, rounds: 3, warmMs: 1_000, measureMs: 2_000 }
    const results = await measureByTurns([parley, bare], services, turns)
    const table = processorTable(results)
    const microsOf = ({ name }: Subject) => Number(table.find(({ subject }) => subject === name)?.all)
    // 0.7 to 0.9 on a quiet machine, 1.1 next to two busy processes; see docs/PERFORMANCE.md. Rates depend on other load.
    expect(microsOf(parley) / microsOf(bare)).toBeLessThan(1.6)
  }, 180_000)

  test('storm: simultaneous reconnects take few statements', async () => {
    await withHerd(HERD, true, async (herd) => {
      await herd.request({ type: 'drop' })
      const { counts } = await services.statements.count(() => herd.request({ type: 'connect', atOnce: HERD.users }))
      expect(totalOf(counts, 'parley-gateway')).toBeLessThan(HERD.users / 2)
    })
  }, 180_000)

  test('receipts: simultaneous reads take few statements', async () => {
    await withHerd(GROUP, false, async (herd, { users, sql }) => {
      const conversationId = users[0]?.conversationId ?? ''
      const id = randomUUID()
      const base = { id, conversationId, senderId: 'user-0', clientMessageId: id, content: 'Read me', system: null }
      await appendMessages(sql, [{ ...base, type: 'TEXT', attachments: [] }], `bench-${id}`, 1)
      const { counts } = await services.statements.count(() =>
        herd.request({
          type: 'emit',
          event: 'markAsRead',
          payload: { conversationId, messageId: id },
          awaited: 'messageRead',
          events: GROUP.users * (GROUP.users - 1),
        }),
      )
      expect(counts.get('parley-gateway')?.get('mark_read')).toBeLessThan(GROUP.users / 5)
    })
  }, 180_000)
})
