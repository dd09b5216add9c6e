import type { LoadResult } from '../load/message.ts'
import type { BenchArguments } from '../main.ts'
import { round, verdict, writeReport } from '../report.ts'
import { type BenchServices, startServices } from '../services.ts'
import { spreadOf } from '../statistics.ts'
import { bare } from '../subjects/bare.ts'
import { naive } from '../subjects/naive.ts'
import { parley } from '../subjects/parley.ts'
import type { Shape } from '../subjects/subject.ts'
import { measureByTurns, processorTable } from '../turns.ts'
import { type DatabaseCost, measureDatabaseCost } from './database-cost.ts'

const SUBJECTS = [parley, bare, naive] as const
const USERS = 200
const IN_FLIGHT = 4
const CONTENT_BYTES = 100

interface Figures {
  ackedPerSec: number
  deliveredPerSec: number
  p50Ms: number
  p99Ms: number
}

/**
 * Everybody sends as fast as acks arrive. The subjects take turns on the same machine, round by round, and the medians of the
 * rounds are compared.
 */
export async function run({ quick, json, rounds: given }: BenchArguments): Promise<void> {
  const rounds = given ?? (quick ? 1 : 3)
  const sizes = quick ? [5, 20] : [2, 5, 20, 100, 1_000]
  const runs: { roomSize: number; users: number; subjects: Record<string, Figures> }[] = []
  const processorUs: Record<string, unknown>[] = []
  await using services = await startServices()
  for (const roomSize of sizes) {
    const shape = { roomSize, users: Math.max(USERS, roomSize) }
    // In a room of a thousand, 200 send: if all did, each connection would have 1.6 MB in flight and be cut off for it.
    const plan = { senders: USERS, inFlight: IN_FLIGHT, contentBytes: CONTENT_BYTES }
    const results = await measureByTurns(SUBJECTS, services, { shape, plan, rounds, measureMs: quick ? 4_000 : 8_000 })
    const subjects = Object.fromEntries([...results].map(([name, list]) => [name, mediansOf(list)]))
    runs.push({ ...shape, subjects })
    print(shape, results, subjects)
    processorUs.push(...processorTable(results).map((row) => ({ roomSize, ...row })))
  }
  console.log('\nprocessor time per message, in microseconds')
  console.table(processorUs)
  for (const { roomSize, subjects } of runs) printVerdicts(roomSize, subjects)
  const databaseCost = await databaseCosts(services, quick)
  await writeReport(json, { runs, processorUs, databaseCost })
}

/** The goals against bare, for acked messages or, from rooms of 20 on, for deliveries; and against naive, for acked messages. */
const GOALS: Record<number, { bare: number; of: 'ackedPerSec' | 'deliveredPerSec'; naive: number }> = {
  5: { bare: 1.5, of: 'ackedPerSec', naive: 12 },
  20: { bare: 2, of: 'deliveredPerSec', naive: 15 },
}

function printVerdicts(roomSize: number, figures: Record<string, Figures>): void {
  const goals = GOALS[roomSize]
  const { parley: parleyFigures, bare: bareFigures, naive: naiveFigures } = figures
  if (goals === undefined || !parleyFigures || !bareFigures || !naiveFigures) return
  const [bareRatio, naiveRatio] = [
    parleyFigures[goals.of] / bareFigures[goals.of],
    parleyFigures.ackedPerSec / naiveFigures.ackedPerSec,
  ]
  verdict(`rooms of ${roomSize}: ${round(bareRatio)} x bare, at least ${goals.bare}`, bareRatio >= goals.bare)
  verdict(`rooms of ${roomSize}: ${round(naiveRatio)} x naive, at least ${goals.naive}`, naiveRatio >= goals.naive)
}

/** Measures what a message costs the database by the size of its room, which should make no difference. */
async function databaseCosts(services: BenchServices, quick: boolean): Promise<DatabaseCost[]> {
  const costs: DatabaseCost[] = []
  for (const roomSize of quick ? [2, 1_000] : [2, 5, 20, 100, 1_000]) {
    costs.push(await measureDatabaseCost(services, roomSize, quick ? 3_000 : 6_000))
  }
  console.log('\ndatabase cost of a message, at 100 messages per second')
  console.table(
    costs.map((cost) => ({
      'room size': cost.roomSize,
      'gateway statements/message': round(cost.gatewayStatements),
      'worker statements/message': round(cost.workerStatements),
      'WAL bytes/message': Math.round(cost.walBytes),
    })),
  )
  const [least, most] = [costs[0], costs.at(-1)]
  if (least === undefined || most === undefined) return costs
  const growth = Math.max(most.walBytes / least.walBytes, most.gatewayStatements / least.gatewayStatements)
  verdict(`from rooms of ${least.roomSize} to ${most.roomSize} ${round(growth)} x, at most 1.2`, growth <= 1.2)
  return costs
}

function mediansOf(list: readonly LoadResult[]): Figures {
  const median = (pick: (result: LoadResult) => number) => spreadOf(list.map(pick)).median
  return {
    ackedPerSec: median((r) => r.ackedPerSec),
    deliveredPerSec: median((r) => r.deliveredPerSec),
    p50Ms: median((r) => r.ack.p50Ms),
    p99Ms: median((r) => r.ack.p99Ms),
  }
}

function print(shape: Shape, results: Map<string, LoadResult[]>, subjects: Record<string, Figures>): void {
  console.log(
    `\nrooms of ${shape.roomSize}, ${shape.users} users, ${USERS} of them with ${IN_FLIGHT} sends in flight each`,
  )
  const rows = [...results].map(([name, list]) => {
    const { min, median, max } = spreadOf(list.map((r) => r.ackedPerSec))
    const figures = subjects[name]
    return {
      subject: name,
      'acked/s': Math.round(median),
      'min-max': `${Math.round(min)}-${Math.round(max)}`,
      'deliveries/s': Math.round(figures?.deliveredPerSec ?? 0),
      'p50 ms': round(figures?.p50Ms ?? 0),
      'p99 ms': round(figures?.p99Ms ?? 0),
      'parley is': `${round((subjects.parley?.ackedPerSec ?? 0) / median)} x`,
      'generator CPU': round(spreadOf(list.map((r) => r.generatorCpu)).median),
    }
  })
  console.table(rows)
}
