import { Later } from '@parley/queue'
import type { PushDeps } from './deps.ts'

/** Runs a job in the trace of its message. A postponed job is marked as such and does not count as a failure. */
export async function tracedJob(
  deps: PushDeps,
  { trace: parent }: { trace?: string | undefined },
  work: (deps: PushDeps) => Promise<void>,
): Promise<void> {
  const span = parent === undefined ? undefined : deps.tracer?.start('push message', { kind: 'consumer', parent })
  if (span === undefined) return work(deps)
  try {
    await work({ ...deps, trace: span.traceparent })
    span.end()
  } catch (error) {
    span.attributes({ 'parley.push.put_off': error instanceof Later })
    span.end(error instanceof Later ? undefined : error)
    throw error
  }
}
