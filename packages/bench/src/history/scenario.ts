import { forkProgram } from '../forked.ts'
import type { BenchArguments } from '../main.ts'
import { round, verdict, writeReport } from '../report.ts'
import { startServices } from '../services.ts'
import { spreadOf } from '../statistics.ts'
import { parley } from '../subjects/parley.ts'
import { roomsOf, uuidOf } from '../subjects/subject.ts'
import { fillConversations } from './data.ts'
import type { ReadPlan, ReadResult } from './message.ts'

const KINDS = ['http', 'pg'] as const
const IN_FLIGHT = 16

/** Compares a page of history and the list of conversations over HTTP with the same SQL sent by pg in a loop. */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  const shape = { users: quick ? 100 : 500, roomSize: 5, roomsEach: 20 }
  const conversations = (shape.users / shape.roomSize) * shape.roomsEach
  const each = (quick ? 100_000 : 1_000_000) / conversations
  const times = quick ? { warmMs: 1_000, measureMs: 3_000 } : { warmMs: 2_000, measureMs: 6_000 }
  await using services = await startServices()
  const running = await parley.start(services, shape)
  const figures: Record<string, unknown> = {}
  try {
    await fillConversations(running.sql, shape, each)
    console.log(`${each * conversations} messages in ${conversations} conversations`)
    const readers = running.users.map(({ auth }, user) => ({
      userId: `user-${user}`,
      token: auth.token ?? '',
      conversationId: uuidOf(roomsOf(user, shape)[user % shape.roomsEach] ?? 0),
      // Anywhere in the past, so that the previous page has not warmed the cache.
      lastSeq: 51 + ((user * 7_919) % (each - 50)),
    }))
    const { api, databaseUrl } = running
    for (const what of ['history', 'list'] as const) {
      const results = new Map<ReadPlan['kind'], ReadResult[]>(KINDS.map((kind) => [kind, []]))
      for (let n = 0; n < (rounds ?? (quick ? 1 : 3)); n++) {
        for (const kind of KINDS) {
          results.get(kind)?.push(await read({ kind, what, api, databaseUrl, inFlight: IN_FLIGHT, readers, ...times }))
        }
      }
      figures[what] = print(what, results)
    }
  } finally {
    await running.stop()
  }
  await writeReport(json, { messages: each * conversations, ...figures })
}

async function read(plan: ReadPlan): Promise<ReadResult> {
  await using reader = forkProgram<ReadPlan, ReadResult>(new URL('./reader.ts', import.meta.url))
  reader.send(plan)
  return await reader.receive(plan.warmMs + plan.measureMs + 60_000)
}

function print(what: string, results: Map<string, ReadResult[]>) {
  const medians = [...results].map(([kind, list]) => ({
    kind,
    perSecond: spreadOf(list.map((r) => r.perSecond)),
    p50Ms: spreadOf(list.map((r) => r.p50Ms)).median,
    p99Ms: spreadOf(list.map((r) => r.p99Ms)).median,
    itemsEach: spreadOf(list.map((r) => r.itemsEach)),
    cpu: spreadOf(list.map((r) => r.cpu)).median,
  }))
  console.log(`\n${what}`)
  console.table(
    medians.map(({ kind, perSecond, p50Ms, p99Ms, itemsEach, cpu }) => ({
      by: kind,
      'requests/s': Math.round(perSecond.median),
      'min-max': `${Math.round(perSecond.min)}-${Math.round(perSecond.max)}`,
      'p50 ms': round(p50Ms),
      'p99 ms': round(p99Ms),
      'items each': round(itemsEach.median),
      'client cores': round(cpu),
    })),
  )
  const rateOf = (kind: string) => medians.find((each) => each.kind === kind)?.perSecond.median ?? Number.NaN
  const items = medians.map(({ itemsEach }) => itemsEach.median)
  if (Math.abs((items[0] ?? 0) - (items[1] ?? 0)) > 0.5) throw new Error('the two did not read the same')
  verdict(
    `${what} ${round(rateOf('http') / rateOf('pg'))} x bare pg, at least 0.6`,
    rateOf('http') >= 0.6 * rateOf('pg'),
  )
  return medians
}
