import { writeFile } from 'node:fs/promises'
import { arch, cpus, platform, totalmem } from 'node:os'
import type { LoadResult } from '../load/message.ts'
import { runLoad } from '../load/run.ts'
import type { BenchArguments } from '../main.ts'
import { startServices } from '../services.ts'
import { spreadOf } from '../statistics.ts'
import { bare } from '../subjects/bare.ts'
import { naive } from '../subjects/naive.ts'
import { parley } from '../subjects/parley.ts'
import type { Services, Shape, Subject } from '../subjects/subject.ts'

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
 * Everybody sends as fast as acks come back. The subjects take turns, round by round, on the same machine at the same
 * time; the medians of the rounds are compared.
 */
export async function run({ quick, json }: BenchArguments): Promise<void> {
  const rounds = quick ? 1 : 3
  const sizes = quick ? [5, 20] : [2, 5, 20, 100, 1_000]
  const times = quick ? { warmMs: 1_500, measureMs: 4_000 } : { warmMs: 3_000, measureMs: 8_000 }
  const runs: { roomSize: number; users: number; subjects: Record<string, Figures> }[] = []
  await using services = await startServices()
  for (const roomSize of sizes) {
    const shape = { roomSize, users: Math.max(USERS, roomSize) }
    const results = new Map<string, LoadResult[]>(SUBJECTS.map(({ name }) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const subject of SUBJECTS) results.get(subject.name)?.push(await measure(subject, services, shape, times))
    }
    const subjects = Object.fromEntries([...results].map(([name, list]) => [name, mediansOf(list)]))
    runs.push({ ...shape, subjects })
    print(shape, results, subjects)
  }
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ machine: machine(), versions: versions(), runs }, null, 2)}\n`)
}

async function measure(
  subject: Subject,
  services: Services,
  shape: Shape,
  times: { warmMs: number; measureMs: number },
): Promise<LoadResult> {
  const running = await subject.start(services, shape)
  try {
    const result = await runLoad({ users: running.users, inFlight: IN_FLIGHT, contentBytes: CONTENT_BYTES, ...times })
    const stored = await running.stored()
    const whole = result.delivered === result.due && (stored === null || stored === result.acked) && result.failed === 0
    if (!whole) {
      throw new Error(
        `${subject.name} is not whole: ${JSON.stringify({ ...result, stored })}; its figures do not count`,
      )
    }
    return result
  } finally {
    await running.stop()
  }
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
  console.log(`\nrooms of ${shape.roomSize}, ${shape.users} users, ${IN_FLIGHT} sends in flight each`)
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

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function machine() {
  return {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${platform()} ${arch()}`,
  }
}

function versions() {
  return { node: process.versions.node, date: new Date().toISOString().slice(0, 10) }
}
