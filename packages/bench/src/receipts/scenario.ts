import { randomUUID } from 'node:crypto'
import { appendMessages } from '@parley/db'
import { herdUsers } from '../load/herd-users.ts'
import { type Herd, startHerd } from '../load/run-herd.ts'
import type { BenchArguments } from '../main.ts'
import { cpuSeconds } from '../process-usage.ts'
import { round, verdict, writeReport } from '../report.ts'
import { type BenchServices, startServices } from '../services.ts'
import { describe, totalOf } from '../statement-log.ts'
import { spreadOf } from '../statistics.ts'
import { parley, type RunningParley } from '../subjects/parley.ts'
import { uuidOf } from '../subjects/subject.ts'

interface Figures {
  /** Until every reader has an ack and every member a receipt from every reader. */
  seconds: number
  p50Ms: number
  p99Ms: number
  statements: number
  /** The number of read receipts that all members received together. */
  events: number
  cpu: number
}

/** All members of a large group read its newest message at once. */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  const people = quick ? 200 : 500
  const shape = { users: people, roomSize: people }
  await using services = await startServices()
  const running = await parley.start(services, shape)
  const list: Figures[] = []
  try {
    await using herd = await startHerd(herdUsers(running.users, shape, false))
    await herd.request({ type: 'connect', atOnce: 50 })
    for (let n = 0; n < (rounds ?? (quick ? 2 : 5)); n++) list.push(await measureRound(services, running, herd, people))
  } finally {
    await running.stop()
  }
  const median = (pick: (figures: Figures) => number) => spreadOf(list.map(pick))
  const medians = {
    seconds: median((f) => f.seconds),
    p50Ms: median((f) => f.p50Ms),
    p99Ms: median((f) => f.p99Ms),
    statements: median((f) => f.statements),
    events: median((f) => f.events),
    gatewayCpuSeconds: median((f) => f.cpu),
  }
  console.log(`\na group of ${people} reads at once`)
  console.table(
    Object.entries(medians).map(([figure, { min, median: middle, max }]) => ({
      figure,
      median: round(middle),
      'min-max': `${round(min)}-${round(max)}`,
    })),
  )
  const each = people / medians.statements.median
  verdict(`one statement for ${round(each)} reads, at least 50`, each >= 50)
  await writeReport(json, { people, receipts: medians })
}

/** Stores a message, and has every member read it at once. */
async function measureRound(
  services: BenchServices,
  running: RunningParley,
  herd: Herd,
  people: number,
): Promise<Figures> {
  const messageId = randomUUID()
  const conversationId = uuidOf(0)
  const base = { id: messageId, conversationId, senderId: 'user-0', clientMessageId: messageId, content: 'Read me' }
  // Stored directly in the database, so that nobody but its sender has read it.
  const message = { ...base, type: 'TEXT' as const, attachments: [], system: null }
  await appendMessages(running.sql, [message], `bench-${randomUUID()}`, 1)
  // The sender's mark moved with the message, so their receipt is not sent.
  const events = people * (people - 1)
  const payload = { conversationId, messageId }
  const before = await cpuSeconds(running.gatewayPids)
  const { result, counts } = await services.statements.count(() =>
    herd.request({ type: 'emit', event: 'markAsRead', payload, awaited: 'messageRead', events }),
  )
  const cpu = (await cpuSeconds(running.gatewayPids)) - before
  console.log(describe(counts))
  const { seconds, p50Ms, p99Ms } = result
  return { seconds, p50Ms, p99Ms, statements: totalOf(counts, 'parley-gateway'), events, cpu }
}
