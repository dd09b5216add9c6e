import type { LoadPlan, LoadResult, LoadTimes } from './load/message.ts'
import { startLoad, WARM_MS } from './load/run.ts'
import { processorTimeByRole } from './processor-time.ts'
import { measureInRounds } from './rounds.ts'
import { spreadOf } from './statistics.ts'
import type { RunningSubject, Services, Shape, Subject } from './subjects/subject.ts'
import { assertWhole } from './whole.ts'

/** What each turn begins with, uncounted, in milliseconds. */
const RAMP_MS = 1_000

export interface TurnsOptions {
  shape: Shape
  plan: Omit<LoadPlan, 'users'>
  /** Turns of each subject. */
  rounds: number
  /** How long each is under load before the first turn, in milliseconds. */
  warmMs?: number
  /** What of a turn is counted, in milliseconds. */
  measureMs: number
}

export interface Turn extends LoadResult {
  /** Microseconds for each acked message, of all processes that run, by what they are there for. */
  processorUs: Record<string, number>
}

/** Turns of one subject. */
interface Turns {
  name: string
  run(times: LoadTimes): Promise<Turn>
}

/**
 * Puts subjects under the same load by turns of some seconds, all of them running and warm the whole time: the machine's speed
 * changes by half from one minute to the next, and what it does to one it then does to all. What somebody has left to do they do
 * in their own turn. Being there costs a little all the same: parley's processes take 2 to 4% of a core from the others' turns.
 * @returns what each turn gave, by the subject's name
 */
export async function measureByTurns(
  subjects: readonly Subject[],
  services: Services,
  { shape, plan, rounds, warmMs = WARM_MS, measureMs }: TurnsOptions,
): Promise<Map<string, Turn[]>> {
  await using stack = new AsyncDisposableStack()
  const turns: Turns[] = []
  for (const subject of subjects) {
    const running = await subject.start(services, shape)
    stack.defer(() => running.stop())
    turns.push(stack.use(await startTurns(subject.name, running, plan)))
  }
  for (const each of turns) await each.run({ warmMs, measureMs: 0 })
  return await measureInRounds(turns, rounds, (each) => each.run({ warmMs: RAMP_MS, measureMs }))
}

async function startTurns(
  name: string,
  { users, stored, settled }: RunningSubject,
  plan: TurnsOptions['plan'],
): Promise<Turns & AsyncDisposable> {
  const load = await startLoad({ ...plan, users })
  let acked = 0
  return {
    name,
    async run(times) {
      const samples: Map<string, number>[] = []
      const sample = async () => void samples.push(await processorTimeByRole())
      const result = await load.run(times, { began: sample, ended: sample })
      await settled()
      assertWhole(name, result, await stored(), acked)
      acked += result.acked
      return { ...result, processorUs: eachOf(samples, (result.ackedPerSec * times.measureMs) / 1_000) }
    },
    [Symbol.asyncDispose]: () => load[Symbol.asyncDispose](),
  }
}

/** What was used between two samples, in microseconds, for each of so many messages. */
function eachOf([before, after]: readonly Map<string, number>[], messages: number): Record<string, number> {
  const each = [...(after ?? [])].map(([role, seconds]) => [role, (seconds - (before?.get(role) ?? 0)) * 1e6] as const)
  return Object.fromEntries(each.map(([role, used]) => [role, used / messages]))
}

/** Where the processor time of a message goes: the medians of the turns, and all of them together. */
export function processorTable(results: ReadonlyMap<string, readonly Turn[]>): Record<string, string | number>[] {
  return [...results].map(([subject, turns]) => {
    const roles = new Set(turns.flatMap(({ processorUs }) => Object.keys(processorUs)))
    const medians = [...roles]
      .map((role) => [role, Math.round(spreadOf(turns.map((turn) => turn.processorUs[role] ?? 0)).median)] as const)
      .filter(([, used]) => used > 0)
    return { subject, all: medians.reduce((sum, [, used]) => sum + used, 0), ...Object.fromEntries(medians) }
  })
}
