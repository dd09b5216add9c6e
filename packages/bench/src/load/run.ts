import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { LoadPlan, LoadResult } from './message.ts'

/** Runs a plan in a process of its own. @throws when the generator fails or was itself the bottleneck's equal */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const child = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)), { serialization: 'advanced' })
  try {
    child.send(plan)
    const signal = AbortSignal.timeout(plan.warmMs + plan.measureMs + 120_000)
    const failed = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`the load generator ended with ${code}`)
    })
    const [result] = (await Promise.race([once(child, 'message', { signal }), failed])) as [LoadResult]
    failed.catch(() => undefined)
    return result
  } finally {
    child.kill()
  }
}
