/** First and last upper bound of a delay, in milliseconds. */
export interface BackoffOptions {
  baseMs: number
  maxMs: number
}

/**
 * Returns a delay with full jitter, in milliseconds: uniform between 0 and a bound that doubles with each attempt, up to
 * `maxMs`. Clients that lost the same server reconnect spread over the whole period, unlike with other kinds of jitter.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function fullJitter(attempt: number, { baseMs, maxMs }: BackoffOptions, random = Math.random): number {
  return random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30))
}

/** Waits `ms` milliseconds; resolves early when the signal is aborted. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
