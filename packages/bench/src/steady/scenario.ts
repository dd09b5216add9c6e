import type { LoadResult } from '../load/message.ts'
import { runLoad, WARM_MS } from '../load/run.ts'
import type { BenchArguments } from '../main.ts'
import { round, verdict, writeReport } from '../report.ts'
import { measureInRounds } from '../rounds.ts'
import { startServices } from '../services.ts'
import { spreadOf } from '../statistics.ts'
import { bare } from '../subjects/bare.ts'
import { parley } from '../subjects/parley.ts'
import type { Services, Subject } from '../subjects/subject.ts'
import { assertWhole } from '../whole.ts'

const SUBJECTS = [parley, bare] as const
const SHAPE = { users: 200, roomSize: 5 }
const PER_SECOND = 1_000

/** A thousand messages a second, evenly: how long each takes to arrive. */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  const times = { warmMs: WARM_MS, measureMs: quick ? 4_000 : 10_000 }
  await using services = await startServices()
  const results = await measureInRounds(SUBJECTS, rounds ?? (quick ? 1 : 3), (subject) =>
    measure(subject, services, times),
  )
  const medians = Object.fromEntries(
    [...results].map(([name, list]) => [
      name,
      { p50Ms: spreadOf(list.map((r) => r.delivery.p50Ms)), p99Ms: spreadOf(list.map((r) => r.delivery.p99Ms)) },
    ]),
  )
  console.log(`\n${PER_SECOND} messages a second, rooms of ${SHAPE.roomSize}: from send to delivery`)
  console.table(
    Object.entries(medians).map(([subject, { p50Ms, p99Ms }]) => ({
      subject,
      'p50 ms': round(p50Ms.median),
      'p99 ms': round(p99Ms.median),
      'p99 min-max': `${round(p99Ms.min)}-${round(p99Ms.max)}`,
    })),
  )
  const ratio = (medians.parley?.p99Ms.median ?? Number.NaN) / (medians.bare?.p99Ms.median ?? Number.NaN)
  verdict(`p99 ${round(ratio)} x bare, at most 1.5`, ratio <= 1.5)
  await writeReport(json, { shape: SHAPE, perSecond: PER_SECOND, subjects: medians })
}

async function measure(
  subject: Subject,
  services: Services,
  times: { warmMs: number; measureMs: number },
): Promise<LoadResult> {
  const running = await subject.start(services, SHAPE)
  try {
    const plan = { users: running.users, inFlight: 0, contentBytes: 100, ratePerSecond: PER_SECOND, ...times }
    return assertWhole(subject.name, await runLoad(plan), await running.stored())
  } finally {
    await running.stop()
  }
}
