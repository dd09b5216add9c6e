import type { Pod } from './pod.ts'

/** How often each process is checked, and the timeout of a check, in milliseconds. */
const INTERVAL_MS = 500
const TIMEOUT_MS = 1_000
/** The number of consecutive failures that takes a process out; one success brings it back. */
const FAILURES = 2

/** Checks /health/ready of each process, as a balancer does. */
export class HealthChecks implements Disposable {
  readonly #failures = new Map<Pod, number>()
  readonly #timers: NodeJS.Timeout[]

  constructor(pods: readonly Pod[]) {
    this.#timers = pods.map((pod) => setInterval(() => void this.#check(pod), INTERVAL_MS))
  }

  /** Returns those that are ready, or all if none is: then the problem is not with the process. */
  choose(pods: Pod[]): Pod[] {
    const ready = pods.filter((pod) => (this.#failures.get(pod) ?? 0) < FAILURES)
    return ready.length > 0 ? ready : pods
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  async #check(pod: Pod): Promise<void> {
    const ready = await fetch(`${pod.adminUrl}/health/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
      ({ ok }) => ok,
      () => false,
    )
    this.#failures.set(pod, ready ? 0 : (this.#failures.get(pod) ?? 0) + 1)
  }
}
