import { fork } from 'node:child_process'
import { on } from 'node:events'
import { fileURLToPath } from 'node:url'
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
export interface Load extends Disposable {
  /** Has them send, and ends when all that was sent has been acked and delivered. @throws when the generator fails */
  run(times: LoadTimes, watcher?: LoadWatcher): Promise<LoadResult>
}

/** Resolves when all of the plan's users are connected. */
export async function startLoad(plan: LoadPlan): Promise<Load> {
  const child = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)), { serialization: 'advanced' })
  const messages = on(child, 'message', { close: ['exit'] })
  const told = async (ms: number): Promise<LoadPhase | LoadResult> => {
    const timer = setTimeout(() => child.kill(), ms)
    const { value, done } = await messages.next()
    clearTimeout(timer)
    if (done) throw new Error('the load generator ended, or said nothing for too long')
    return value[0]
  }
  const load: Load = {
    async run(times, watcher = {}) {
      child.send(times)
      for (;;) {
        const message = await told(times.warmMs + times.measureMs + ANSWER_MS)
        if (typeof message !== 'string') return message
        if (message !== 'connected') await watcher[message]?.()
      }
    },
    [Symbol.dispose]: () => void child.kill(),
  }
  try {
    child.send(plan)
    await told(ANSWER_MS)
    return load
  } catch (error) {
    load[Symbol.dispose]()
    throw error
  }
}

/** Runs a plan once. @throws when the generator fails */
export async function runLoad(plan: LoadPlan, times: LoadTimes, watcher?: LoadWatcher): Promise<LoadResult> {
  using load = await startLoad(plan)
  return await load.run(times, watcher)
}
