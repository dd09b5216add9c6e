/** What became of one push to one device. */
export type Outcome =
  | { kind: 'sent'; status: number }
  /** The push service does not know the device any more. */
  | { kind: 'gone'; status: number }
  /** It may work later, not before `afterMs` from now where the push service has said so. */
  | { kind: 'later'; reason: string; afterMs: number | null }
  | { kind: 'too large' }
  /** It will not work however often it is tried. `detail` is for people: what the service said of the cause. */
  | { kind: 'refused'; reason: string; detail: string }

/**
 * Reads a push service's answer (RFC 8030, and what services are known to say).
 * @param retryAfter the header as it came
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

/** `Retry-After` in its two forms, seconds or a date (RFC 9110, 10.2.3), as milliseconds from now. */
export function parseRetryAfter(header: string | undefined, now: number): number | null {
  if (header === undefined) return null
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000
  const at = Date.parse(header)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}
