import { herdUsers } from '../load/herd-users.ts'
import { startHerd } from '../load/run-herd.ts'
import type { BenchArguments } from '../main.ts'
import { cpuSeconds } from '../process-usage.ts'
import { round, verdict, writeReport } from '../report.ts'
import { type BenchServices, startServices } from '../services.ts'
import { describe, totalOf } from '../statement-log.ts'
import { spreadOf } from '../statistics.ts'
import { parley } from '../subjects/parley.ts'
import type { Shape } from '../subjects/subject.ts'
import { missSomething } from './missed.ts'

const AT_ONCE = 200

interface Figures {
  seconds: number
  p50Ms: number
  p99Ms: number
  statements: number
  /** Processor time of the gateways, in seconds. */
  cpu: number
  herdCpu: number
  retries: number
}

/**
 * Everybody is disconnected at once and reconnects at once, after messages were sent to many of their conversations. Measures
 * until each has connected, synced and received every message they missed.
 */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  const shape = { users: quick ? 1_000 : 4_000, roomSize: 5, roomsEach: 20 }
  await using services = await startServices()
  const list = await measure(services, shape, rounds ?? (quick ? 1 : 3))
  const medians = {
    seconds: spreadOf(list.map((each) => each.seconds)),
    p50Ms: spreadOf(list.map((each) => each.p50Ms)),
    p99Ms: spreadOf(list.map((each) => each.p99Ms)),
    statements: spreadOf(list.map((each) => each.statements)),
    cpu: spreadOf(list.map((each) => each.cpu)),
    herdCpu: spreadOf(list.map((each) => each.herdCpu)),
    retries: spreadOf(list.map((each) => each.retries)),
  }
  console.log(`\n${shape.users} clients with ${shape.roomsEach} conversations each come back at once`)
  console.table(
    Object.entries(medians).map(([figure, { min, median, max }]) => ({
      figure,
      median: round(median),
      'min-max': `${round(min)}-${round(max)}`,
    })),
  )
  const each = shape.users / medians.statements.median
  verdict(`one statement for ${round(each)} clients, at least 50`, each >= 50)
  await writeReport(json, { shape, storm: medians })
}

async function measure(services: BenchServices, shape: Shape, rounds: number): Promise<Figures[]> {
  const running = await parley.start(services, shape)
  try {
    await using herd = await startHerd(herdUsers(running.users, shape, true))
    await herd.request({ type: 'connect', atOnce: AT_ONCE })
    const list: Figures[] = []
    const missed = await missSomething(running.sql, shape)
    await herd.request({ type: 'expect', missed })
    for (let n = 0; n < rounds; n++) {
      await herd.request({ type: 'drop' })
      const before = await cpuSeconds(running.gatewayPids)
      const { result, counts } = await services.statements.count(() =>
        herd.request({ type: 'connect', atOnce: shape.users }),
      )
      const cpu = (await cpuSeconds(running.gatewayPids)) - before
      console.log(describe(counts))
      const { seconds, p50Ms, p99Ms, retries } = result
      list.push({
        seconds,
        p50Ms,
        p99Ms,
        statements: totalOf(counts, 'parley-gateway'),
        cpu,
        herdCpu: result.cpu,
        retries,
      })
      await new Promise((resolve) => setTimeout(resolve, 2_000))
    }
    return list
  } finally {
    await running.stop()
  }
}
