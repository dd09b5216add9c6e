import { forkProgram } from '../forked.ts'
import type { LoadPhase, LoadPlan, LoadResult, LoadTimes } from './message.ts'

/**
 * How long a subject is under load before anything is counted, in milliseconds: until code that runs all the time is compiled.
 * The threads that compile and collect took a seventh of all processor time 3 to 9 s after the start, and half of that later.
 */
export const WARM_MS = 8_000

/** Longest wait for the generator besides the times it is given, in milliseconds. */
const ANSWER_MS = 120_000

/** Told when the measured time begins and ends. */
export interface LoadWatcher {
  began?(): Promise<void>
  ended?(): Promise<void>
}

/** Clients in a process of their own, connected. */
export interface Load extends AsyncDisposable {
  /** Has them send, and ends when all that was sent has been acked and delivered. @throws when the generator fails */
  run(times: LoadTimes, watcher?: LoadWatcher): Promise<LoadResult>
}

/** Resolves when all of the plan's users are connected. */
export async function startLoad(plan: LoadPlan): Promise<Load> {
  await using stack = new AsyncDisposableStack()
  const generator = stack.use(
    forkProgram<LoadPlan | LoadTimes, LoadPhase | LoadResult>(new URL('./generator.ts', import.meta.url)),
  )
  generator.tell(plan)
  await generator.hear(ANSWER_MS)
  const kept = stack.move()
  return {
    async run(times, watcher = {}) {
      generator.tell(times)
      for (;;) {
        const message = await generator.hear(times.warmMs + times.measureMs + ANSWER_MS)
        if (typeof message !== 'string') return message
        if (message !== 'connected') await watcher[message]?.()
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Runs a plan once. @throws when the generator fails */
export async function runLoad(plan: LoadPlan, times: LoadTimes, watcher?: LoadWatcher): Promise<LoadResult> {
  await using load = await startLoad(plan)
  return await load.run(times, watcher)
}
