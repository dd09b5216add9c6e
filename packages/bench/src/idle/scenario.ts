import { herdUsers } from '../load/herd-users.ts'
import { startHerd } from '../load/run-herd.ts'
import type { BenchArguments } from '../main.ts'
import { cpuSeconds, residentBytes } from '../process-usage.ts'
import { round, verdict, writeReport } from '../report.ts'
import { measureInRounds } from '../rounds.ts'
import { startServices } from '../services.ts'
import { spreadOf } from '../statistics.ts'
import { bare } from '../subjects/bare.ts'
import { parley } from '../subjects/parley.ts'
import type { Services, Shape, Subject } from '../subjects/subject.ts'

const SUBJECTS = [parley, bare] as const
const ROOM_SIZE = 5
const ROOMS_EACH = 20
/** Connections being made at a time. */
const AT_ONCE = 200
/** How long to wait for garbage from connecting to be collected, in milliseconds. */
const REST_MS = 3_000

interface Figures {
  /** Memory of both gateways in KB per connection. */
  kbEach: number
  /** Connections per second, each until it is connected and, if the subject supports it, synced. */
  perSecond: number
  /** Processor time of the gateways per connection. */
  cpuMsEach: number
  /** The share of one core that the clients used. */
  herdCpu: number
}

/** Measures the cost of many idle connections, each in 20 conversations of five people, and how fast they connect. */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  const shape = { users: quick ? 1_000 : 4_000, roomSize: ROOM_SIZE, roomsEach: ROOMS_EACH }
  await using services = await startServices()
  const results = await measureInRounds(SUBJECTS, rounds ?? (quick ? 1 : 3), (subject) =>
    measure(subject, services, shape),
  )
  const medians = Object.fromEntries(
    [...results].map(([name, list]) => [
      name,
      {
        kbEach: spreadOf(list.map((each) => each.kbEach)),
        perSecond: spreadOf(list.map((each) => each.perSecond)),
        cpuMsEach: spreadOf(list.map((each) => each.cpuMsEach)),
        herdCpu: spreadOf(list.map((each) => each.herdCpu)),
      },
    ]),
  )
  console.log(`\n${shape.users} connections with ${ROOMS_EACH} conversations each`)
  console.table(
    Object.entries(medians).map(([name, { kbEach, perSecond, cpuMsEach, herdCpu }]) => ({
      subject: name,
      'KB each': round(kbEach.median),
      'KB min-max': `${round(kbEach.min)}-${round(kbEach.max)}`,
      'connects/s': Math.round(perSecond.median),
      'connects/s min-max': `${Math.round(perSecond.min)}-${Math.round(perSecond.max)}`,
      'gateway CPU ms each': round(cpuMsEach.median),
      'herd CPU': round(herdCpu.median),
    })),
  )
  const [parleyFigures, bareFigures] = [medians.parley, medians.bare]
  if (parleyFigures === undefined || bareFigures === undefined) return
  const memory = parleyFigures.kbEach.median / bareFigures.kbEach.median
  const rate = parleyFigures.perSecond.median / bareFigures.perSecond.median
  verdict(`memory ${round(memory)} x bare, at most 1.15`, memory <= 1.15)
  verdict(`connections a second ${round(rate)} x bare, at least 0.8`, rate >= 0.8)
  await writeReport(json, { shape, subjects: medians })
}

async function measure(subject: Subject, services: Services, shape: Shape): Promise<Figures> {
  const running = await subject.start(services, shape)
  try {
    await using herd = await startHerd(herdUsers(running.users, shape, subject.name === 'parley'))
    const before = await residentBytes(running.gatewayPids)
    const cpuBefore = await cpuSeconds(running.gatewayPids)
    const { seconds, cpu, retries } = await herd.request({ type: 'connect', atOnce: AT_ONCE })
    if (retries > 0) console.log(`${subject.name}: ${retries} connections were rejected and retried`)
    const cpuMsEach = (((await cpuSeconds(running.gatewayPids)) - cpuBefore) * 1_000) / shape.users
    await new Promise((resolve) => setTimeout(resolve, REST_MS))
    const after = await residentBytes(running.gatewayPids)
    return { kbEach: (after - before) / 1_024 / shape.users, perSecond: shape.users / seconds, cpuMsEach, herdCpu: cpu }
  } finally {
    await running.stop()
  }
}
