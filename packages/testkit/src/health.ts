import type { Pod } from './pod.ts'

/** How often each process is asked, and how long it may take, in milliseconds. */
const INTERVAL_MS = 500
const TIMEOUT_MS = 1_000
/** So many failures in a row take a process out; one success brings it back. */
const FAILURES = 2

/** Asks processes for /health/ready, as a balancer does. */
export class HealthChecks implements Disposable {
  readonly #failures = new Map<Pod, number>()
  readonly #timers: NodeJS.Timeout[]

  constructor(pods: readonly Pod[]) {
    this.#timers = pods.map((pod) => setInterval(() => void this.#ask(pod), INTERVAL_MS))
  }

  /** Those that are ready; all of them where none is, for then it is not the process that something is wrong with. */
  choose(pods: Pod[]): Pod[] {
    const ready = pods.filter((pod) => (this.#failures.get(pod) ?? 0) < FAILURES)
    return ready.length > 0 ? ready : pods
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  async #ask(pod: Pod): Promise<void> {
    const ready = await fetch(`${pod.adminUrl}/health/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
      ({ ok }) => ok,
      () => false,
    )
    this.#failures.set(pod, ready ? 0 : (this.#failures.get(pod) ?? 0) + 1)
  }
}
