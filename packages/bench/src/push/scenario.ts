import { setTimeout as delay } from 'node:timers/promises'
import type { BenchArguments } from '../main.ts'
import { cpuSeconds } from '../process-usage.ts'
import { writeReport } from '../report.ts'
import { percentilesOf, spreadOf } from '../statistics.ts'
import type { Rate } from './bare-loop.ts'
import { runBareLoop } from './programs.ts'
import { startWorld, type World } from './world.ts'

/** As many pushes in flight as a worker has by default. */
const PARALLEL = 128
/** Seconds of the same load before the measurement. */
const WARM_UP_S = 3
const DRAIN_BOUND_MS = 180_000

/**
 * Measures how many pushes per second one worker sends compared with a bare loop of web-push, alternately and against the same
 * service; and the delay from a send to its push at a hundred messages per second.
 */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  const rate = await measureRate({ groups: quick ? 3 : 5, rounds: rounds ?? (quick ? 1 : 3) })
  const delays = await measureDelay(quick ? 10 : 30)
  await writeReport(json, { rate, delays })
}

async function measureRate({ groups, rounds }: { groups: number; rounds: number }) {
  const members = 999
  await using world = await startWorld({ groups, members, read: false })
  const [bare, worker]: [Rate[], Rate[]] = [[], []]
  const payload = JSON.stringify({ title: 'Sender 1', body: 'x'.repeat(100), data: { type: 'NEW_MESSAGE' } })
  const loop = { devices: world.devices, payload, keys: world.keys, parallel: PARALLEL }
  for (let round = 1; round <= rounds; round++) {
    bare.push(await runBareLoop(loop, world.service.caFile))
    worker.push(await drainRate(world, groups, groups * members))
    console.log(`round ${round}: web-push alone ${describe(bare.slice(-1))}; one worker ${describe(worker.slice(-1))}`)
  }
  const ratio = spreadOf(worker.map(({ perSecond }, index) => perSecond / (bare[index]?.perSecond ?? Number.NaN)))
  console.log(
    `medians: web-push alone ${describe(bare)}; one worker ${describe(worker)}; ` +
      `round by round ${ratio.median.toFixed(2)} times (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`,
  )
  return { bare, worker }
}

/** Measures from the first to the last push of a message to every group. */
async function drainRate(world: World, groups: number, expected: number): Promise<Rate> {
  world.service.reset()
  const before = await cpuSeconds([world.worker.pid])
  await world.send(Array.from({ length: groups }, (_, index) => index))
  const limit = Date.now() + DRAIN_BOUND_MS
  for (;;) {
    const { count, firstAt, lastAt } = await world.service.report()
    if (count >= expected) {
      const perSecond = ((count - 1) / (lastAt - firstAt)) * 1_000
      const cpuMs = ((await cpuSeconds([world.worker.pid])) - before) * 1_000
      return { perSecond, cpuMs: cpuMs / count }
    }
    if (Date.now() > limit) throw new Error(`${count} of ${expected} pushes within ${DRAIN_BOUND_MS} ms`)
    await delay(100)
  }
}

/** Formats the medians. */
function describe(rates: readonly Rate[]): string {
  const median = (pick: (rate: Rate) => number) => spreadOf(rates.map(pick)).median
  return `${Math.round(median((rate) => rate.perSecond))}/s (${median((rate) => rate.cpuMs).toFixed(2)} ms of processor each)`
}

/** Measures from a client's send request to the arrival at the push service. Each conversation rests longer than a burst. */
async function measureDelay(seconds: number) {
  const perSecond = 100
  const groups = perSecond * 10
  await using world = await startWorld({ groups, members: 1, read: true })
  const sentAt = new Map<string, number>()
  const sending: Promise<void>[] = []
  const began = Date.now()
  for (let index = 0; index < (WARM_UP_S + seconds) * perSecond; index++) {
    const wait = began + index * (1_000 / perSecond) - Date.now()
    if (wait > 0) await delay(wait)
    const at = Date.now()
    sending.push(world.post(index % groups).then((id) => void (index >= WARM_UP_S * perSecond && sentAt.set(id, at))))
  }
  await Promise.all(sending)
  await delay(5_000)
  const { arrivals } = await world.service.report()
  const delays = arrivals.flatMap(([id, at]) => {
    const sent = sentAt.get(id)
    return sent === undefined ? [] : [at - sent]
  })
  const at = percentilesOf(delays)
  const figures = { sent: sentAt.size, pushed: delays.length, p50: at(0.5), p99: at(0.99), max: at(1) }
  console.log(
    `${perSecond} messages/s for ${seconds} s: ${figures.pushed} of ${figures.sent} pushed; ` +
      `delay p50 ${figures.p50} ms, p99 ${figures.p99} ms, max ${figures.max} ms`,
  )
  return figures
}
