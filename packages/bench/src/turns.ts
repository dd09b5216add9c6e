import type { LoadPlan, LoadResult, LoadTimes } from './load/message.ts'
import { startLoad, WARM_MS } from './load/run.ts'
import { measureInRounds } from './rounds.ts'
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

/** Turns of one subject. */
interface Turns {
  name: string
  run(times: LoadTimes): Promise<LoadResult>
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
): Promise<Map<string, LoadResult[]>> {
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
      const result = await load.run(times)
      await settled()
      assertWhole(name, result, await stored(), acked)
      acked += result.acked
      return result
    },
    [Symbol.asyncDispose]: () => load[Symbol.asyncDispose](),
  }
}
