/** The outcome of one push to one device. */
export type Outcome =
  | { kind: 'sent'; status: number }
  /** The push service no longer knows the device. */
  | { kind: 'gone'; status: number }
  /** It may work later: not before `afterMs` milliseconds from now, if the push service said so. */
  | { kind: 'later'; reason: string; afterMs: number | null }
  | { kind: 'too large' }
  /** It will never work. `detail` is for people: what the push service gave as the cause. */
  | { kind: 'refused'; reason: string; detail: string }

/**
 * Interprets a push service's answer (RFC 8030, and what services are known to answer).
 * @param retryAfter the raw header
 */
export function outcomeOf(status: number, retryAfter: string | undefined, now = Date.now()): Outcome {
  if (status >= 200 && status < 300) return { kind: 'sent', status }
  if (status === 404 || status === 410) return { kind: 'gone', status }
  if (status === 413) return { kind: 'too large' }
  if (status === 429 || status === 408 || status >= 500) {
    return { kind: 'later', reason: String(status), afterMs: parseRetryAfter(retryAfter, now) }
  }
  return { kind: 'refused', reason: String(status), detail: '' }
}

/** Parses `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3), into milliseconds from now; null if it is neither. */
export function parseRetryAfter(header: string | undefined, now: number): number | null {
  if (header === undefined) return null
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000
  const at = Date.parse(header)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}
