import type { LoadPlan, LoadResult, LoadTimes } from './load/message.ts'
import { startLoad, WARM_MS } from './load/run.ts'
import { processorTimeByRole } from './processor-time.ts'
import { measureInRounds } from './rounds.ts'
import { spreadOf } from './statistics.ts'
import type { RunningSubject, Services, Shape, Subject } from './subjects/subject.ts'
import { assertWhole } from './whole.ts'

/** The uncounted start of each turn, in milliseconds. */
const RAMP_MS = 1_000

export interface TurnsOptions {
  shape: Shape
  plan: Omit<LoadPlan, 'users'>
  /** Turns per subject. */
  rounds: number
  /** How long each subject is under load before its first turn, in milliseconds. */
  warmMs?: number
  /** The counted part of a turn, in milliseconds. */
  measureMs: number
}

export interface Turn extends LoadResult {
  /** Microseconds per acked message of all running processes, by role. */
  processorUs: Record<string, number>
}

/** The turns of one subject. */
interface Turns {
  name: string
  run(times: LoadTimes): Promise<Turn>
}

/**
 * Measures subjects under the same load in turns of some seconds, while all are running and warm: the machine's speed changes by
 * half from one minute to the next, and this way affects all alike. Each subject completes its deferred work in its own turn.
 * Idle subjects still cost a little: Parley's processes take 2 to 4% of a core during the others' turns.
 * @returns the results of the turns by the subject's name
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

/** Returns the microseconds used between two samples, per message. */
function eachOf([before, after]: readonly Map<string, number>[], messages: number): Record<string, number> {
  const each = [...(after ?? [])].map(([role, seconds]) => [role, (seconds - (before?.get(role) ?? 0)) * 1e6] as const)
  return Object.fromEntries(each.map(([role, used]) => [role, used / messages]))
}

/** Returns where the processor time of a message goes: medians of the turns by role, and their sum. */
export function processorTable(results: ReadonlyMap<string, readonly Turn[]>): Record<string, string | number>[] {
  return [...results].map(([subject, turns]) => {
    const roles = new Set(turns.flatMap(({ processorUs }) => Object.keys(processorUs)))
    const medians = [...roles]
      .map((role) => [role, Math.round(spreadOf(turns.map((turn) => turn.processorUs[role] ?? 0)).median)] as const)
      .filter(([, used]) => used > 0)
    return { subject, all: medians.reduce((sum, [, used]) => sum + used, 0), ...Object.fromEntries(medians) }
  })
}
