/** First bound and last bound of a delay, in milliseconds. */
export interface BackoffOptions {
  baseMs: number
  maxMs: number
}

/**
 * Full jitter: anything between nothing and a bound that doubles up to `maxMs`. Clients that lost the same server come
 * back spread over the whole time, which other kinds of jitter do not achieve.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function fullJitter(attempt: number, { baseMs, maxMs }: BackoffOptions, random = Math.random): number {
  return random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30))
}

/** Waits; ends early, without an error, when the signal is aborted. */
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
