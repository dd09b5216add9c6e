import type { BenchArguments } from '../main.ts'
import { round, verdict, writeReport } from '../report.ts'
import { startServices } from '../services.ts'
import { spreadOf } from '../statistics.ts'
import { bare } from '../subjects/bare.ts'
import { parley } from '../subjects/parley.ts'
import { measureByTurns, processorTable } from '../turns.ts'

const SUBJECTS = [parley, bare] as const
const SHAPE = { users: 200, roomSize: 5 }
const PER_SECOND = 1_000

/** Sends a thousand messages per second at even intervals, and measures how long each takes to arrive. */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  await using services = await startServices()
  const results = await measureByTurns(SUBJECTS, services, {
    shape: SHAPE,
    plan: { inFlight: 0, contentBytes: 100, ratePerSecond: PER_SECOND },
    rounds: rounds ?? (quick ? 1 : 3),
    measureMs: quick ? 4_000 : 10_000,
  })
  const medians = Object.fromEntries(
    [...results].map(([name, list]) => [
      name,
      { p50Ms: spreadOf(list.map((r) => r.delivery.p50Ms)), p99Ms: spreadOf(list.map((r) => r.delivery.p99Ms)) },
    ]),
  )
  console.log(`\n${PER_SECOND} messages per second, rooms of ${SHAPE.roomSize}: from send to delivery`)
  console.table(
    Object.entries(medians).map(([subject, { p50Ms, p99Ms }]) => ({
      subject,
      'p50 ms': round(p50Ms.median),
      'p99 ms': round(p99Ms.median),
      'p99 min-max': `${round(p99Ms.min)}-${round(p99Ms.max)}`,
    })),
  )
  const processorUs = processorTable(results)
  console.log('\nprocessor time per message, in microseconds')
  console.table(processorUs)
  const ratio = (medians.parley?.p99Ms.median ?? Number.NaN) / (medians.bare?.p99Ms.median ?? Number.NaN)
  verdict(`p99 ${round(ratio)} x bare, at most 1.5`, ratio <= 1.5)
  await writeReport(json, { shape: SHAPE, perSecond: PER_SECOND, subjects: medians, processorUs })
}
