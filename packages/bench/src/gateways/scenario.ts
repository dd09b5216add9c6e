import { Redis } from 'ioredis'
import type { LoadTimes } from '../load/message.ts'
import { runLoad } from '../load/run.ts'
import type { BenchArguments } from '../main.ts'
import { cpuSeconds } from '../process-usage.ts'
import { round, verdict, writeReport } from '../report.ts'
import { startServices } from '../services.ts'
import { parley } from '../subjects/parley.ts'
import type { Services } from '../subjects/subject.ts'
import { assertWhole } from '../whole.ts'

const ROOM_SIZE = 20
const PER_SECOND = 300

interface Figures {
  gateways: number
  messages: number
  deliveries: number
  /** All commands that Redis received, from any client, per message. */
  commandsPerMessage: number
  publishesPerMessage: number
  /** Of all gateways together, in microseconds. */
  cpuUsPerDelivery: number
}

/** Applies the same load to one, two and four gateways: the cost of a message in Redis and of a delivery in the gateways. */
export async function run({ quick, json }: BenchArguments): Promise<void> {
  const times = quick ? { warmMs: 1_000, measureMs: 4_000 } : { warmMs: 2_000, measureMs: 10_000 }
  await using services = await startServices()
  const list: Figures[] = []
  for (const gateways of [1, 2, 4]) list.push(await measure(services, gateways, times))
  console.log(`\n${PER_SECOND} messages a second to rooms of ${ROOM_SIZE}`)
  console.table(
    list.map((each) => ({
      gateways: each.gateways,
      messages: Math.round(each.messages),
      deliveries: Math.round(each.deliveries),
      'commands/message': round(each.commandsPerMessage),
      'publishes/message': round(each.publishesPerMessage),
      'CPU us/delivery': round(each.cpuUsPerDelivery),
    })),
  )
  const [one, four] = [list[0]?.publishesPerMessage ?? Number.NaN, list.at(-1)?.publishesPerMessage ?? Number.NaN]
  verdict(`publishes for each message, 4 gateways to 1: ${round(four / one)} x, at most 1.05`, four / one <= 1.05)
  await writeReport(json, { roomSize: ROOM_SIZE, perSecond: PER_SECOND, runs: list })
}

async function measure(services: Services, gateways: number, times: LoadTimes) {
  const running = await parley.start(services, { users: 200, roomSize: ROOM_SIZE, gateways })
  const redis = new Redis(services.redisUrl)
  try {
    const plan = { users: running.users, inFlight: 0, contentBytes: 100, ratePerSecond: PER_SECOND }
    const samples: { calls: Map<string, number>; cpu: number }[] = []
    const sample = async () => {
      samples.push({ calls: await commandsOf(redis), cpu: await cpuSeconds(running.gatewayPids) })
    }
    const result = assertWhole(
      'parley',
      await runLoad(plan, times, { began: sample, ended: sample }),
      await running.stored(),
    )
    const [before, after] = samples
    if (before === undefined || after === undefined) throw new Error('the load reported no phases')
    const sent = (names: (name: string) => boolean) =>
      [...after.calls].reduce(
        (sum, [name, calls]) => (names(name) ? sum + calls - (before.calls.get(name) ?? 0) : sum),
        0,
      )
    const seconds = times.measureMs / 1_000
    const [messages, deliveries] = [result.ackedPerSec * seconds, result.deliveredPerSec * seconds]
    return {
      gateways,
      messages,
      deliveries,
      commandsPerMessage: sent((name) => name !== 'info') / messages,
      publishesPerMessage: sent((name) => name === 'spublish' || name === 'publish') / messages,
      cpuUsPerDelivery: ((after.cpu - before.cpu) * 1e6) / deliveries,
    }
  } finally {
    redis.disconnect()
    await running.stop()
  }
}

/** Returns the calls of each command since Redis started. */
async function commandsOf(redis: Redis): Promise<Map<string, number>> {
  const calls = new Map<string, number>()
  for (const [, name = '', count] of (await redis.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    calls.set(name, Number(count))
  }
  return calls
}
