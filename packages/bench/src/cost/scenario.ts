import { runLoad, WARM_MS } from '../load/run.ts'
import type { BenchArguments } from '../main.ts'
import { round, writeReport } from '../report.ts'
import { startServices } from '../services.ts'
import { bare } from '../subjects/bare.ts'
import { parley } from '../subjects/parley.ts'
import { assertWhole } from '../whole.ts'
import { cpuByRole } from './processes.ts'

const SUBJECTS = [parley, bare] as const
const USERS = 200

/**
 * Where the processor time of a message goes: microseconds for each acked message, by process. Unlike rates it hardly
 * depends on what else the machine does, which makes it the measure to work by.
 */
export async function run({ quick, json }: BenchArguments): Promise<void> {
  await using services = await startServices()
  const results: Record<string, unknown>[] = []
  for (const roomSize of [5, 20]) {
    for (const subject of SUBJECTS) {
      const running = await subject.start(services, { roomSize, users: USERS })
      let before = new Map<string, number>()
      let after = before
      try {
        const times = { warmMs: WARM_MS, measureMs: quick ? 4_000 : 10_000 }
        const plan = { users: running.users, inFlight: 4, contentBytes: 100 }
        const watcher = {
          began: async () => {
            before = await cpuByRole()
          },
          ended: async () => {
            after = await cpuByRole()
          },
        }
        const result = assertWhole(subject.name, await runLoad(plan, times, watcher), await running.stored())
        const messages = result.ackedPerSec * (times.measureMs / 1_000)
        const each = [...after].map(([role, seconds]): [string, number] => [
          role,
          round(((seconds - (before.get(role) ?? 0)) * 1e6) / messages),
        ])
        const all = round(each.reduce((sum, [, micros]) => sum + micros, 0))
        results.push({
          subject: subject.name,
          roomSize,
          acked: Math.round(result.ackedPerSec),
          all,
          ...Object.fromEntries(each),
        })
      } finally {
        await running.stop()
      }
    }
  }
  console.log('\nprocessor time of a message, in microseconds')
  console.table(results)
  await writeReport(json, { results })
}
