import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Resolves when none of the processes is left; fails after `boundMs`. Polls, because they are not children of ours. */
export async function waitUntilGone(pids: readonly number[], boundMs = 20_000): Promise<void> {
  const deadline = Date.now() + boundMs
  for (;;) {
    const left = pids.filter(isRunning)
    if (left.length === 0) return
    if (Date.now() > deadline) throw new Error(`still running after ${boundMs} ms: ${left.join(', ')}`)
    await delay(20)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    // A zombie does not count.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}
