import { forkProgram } from '../forked.ts'
import type { LoadPhase, LoadPlan, LoadResult, LoadTimes } from './message.ts'

/**
 * How long a subject is under load before the measurement, in milliseconds: until hot code is compiled. Compiler and garbage
 * collector threads took a seventh of all processor time 3 to 9 s after the start, and half of that later.
 */
export const WARM_MS = 8_000

/** The longest wait for the generator beyond the duration of the run, in milliseconds. */
const ANSWER_MS = 120_000

/** Called when the measurement begins and ends. */
export interface LoadWatcher {
  began?(): Promise<void>
  ended?(): Promise<void>
}

/** Connected clients in a separate process. */
export interface Load extends AsyncDisposable {
  /** Sends for the given times, and resolves when everything sent was acked and delivered. @throws if the generator fails */
  run(times: LoadTimes, watcher?: LoadWatcher): Promise<LoadResult>
}

/** Starts the generator and connects all of the plan's users. */
export async function startLoad(plan: LoadPlan): Promise<Load> {
  await using stack = new AsyncDisposableStack()
  const generator = stack.use(
    forkProgram<LoadPlan | LoadTimes, LoadPhase | LoadResult>(new URL('./generator.ts', import.meta.url)),
  )
  generator.send(plan)
  await generator.receive(ANSWER_MS)
  const kept = stack.move()
  return {
    async run(times, watcher = {}) {
      generator.send(times)
      for (;;) {
        const message = await generator.receive(times.warmMs + times.measureMs + ANSWER_MS)
        if (typeof message !== 'string') return message
        if (message !== 'connected') await watcher[message]?.()
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Runs a plan once. @throws if the generator fails */
export async function runLoad(plan: LoadPlan, times: LoadTimes, watcher?: LoadWatcher): Promise<LoadResult> {
  await using load = await startLoad(plan)
  return await load.run(times, watcher)
}
