import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { LoadPhase, LoadPlan, LoadResult } from './message.ts'

/**
 * How long a subject is under load before anything is counted, in milliseconds: until code that runs all the time is compiled.
 * The threads that compile and collect took a seventh of all processor time 3 to 9 s after the start, and half of that later.
 */
export const WARM_MS = 8_000

/** Told when the measured time begins and ends. */
export interface LoadWatcher {
  began?(): Promise<void>
  ended?(): Promise<void>
}

/** Runs a plan in a process of its own. @throws when the generator fails */
export async function runLoad(plan: LoadPlan, watcher: LoadWatcher = {}): Promise<LoadResult> {
  const child = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)), { serialization: 'advanced' })
  try {
    child.send(plan)
    const signal = AbortSignal.timeout(plan.warmMs + plan.measureMs + 120_000)
    const failed = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`the load generator ended with ${code}`)
    })
    failed.catch(() => undefined)
    for (;;) {
      const [told] = (await Promise.race([once(child, 'message', { signal }), failed])) as [LoadPhase | LoadResult]
      if (typeof told !== 'string') return told
      await watcher[told]?.()
    }
  } finally {
    child.kill()
  }
}
