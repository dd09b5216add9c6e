/** Where one app process listens. */
export interface Target {
  host: string
  port: number
}

/** How long an unused polling session is remembered: engine.io's own ping interval and timeout end it in 45 s. */
const SESSION_TTL_MS = 90_000
const MAX_SESSIONS = 200_000

/** Identity of a target for as long as its process lives. */
function targetKey(target: Target): string {
  return `${target.host}:${target.port}`
}

/** Hands out targets in turn: each answer starts one further, and lists the others as second choices. */
export class RoundRobin {
  #next = 0

  order(targets: readonly Target[]): Target[] {
    if (targets.length === 0) return []
    const start = this.#next++ % targets.length
    return [...targets.slice(start), ...targets.slice(0, start)]
  }
}

/** Counts what is open towards each target, requests in flight and upgraded sockets alike, and prefers the least loaded. */
export class LeastConnections {
  readonly #open = new Map<string, number>()
  readonly #turn = new RoundRobin()

  /** The targets, least loaded first; equal ones take turns. */
  order(targets: readonly Target[]): Target[] {
    return this.#turn.order(targets).sort((a, b) => this.count(a) - this.count(b))
  }

  count(target: Target): number {
    return this.#open.get(targetKey(target)) ?? 0
  }

  /** Counts one more on the target, and returns what takes it off again (once, however often it is called). */
  open(target: Target): () => void {
    const key = targetKey(target)
    this.#open.set(key, this.count(target) + 1)
    let released = false
    return () => {
      if (released) return
      released = true
      const left = (this.#open.get(key) ?? 1) - 1
      if (left > 0) this.#open.set(key, left)
      else this.#open.delete(key)
    }
  }
}

/**
 * Which gateway holds which engine.io session. A polling client names its session in every request (`?sid=`), and only the
 * gateway that made it knows it. Learnt from the handshake's answer, so the client needs no cookie jar.
 */
export class Sessions {
  // In order of last use, oldest first: each use moves an entry to the end.
  readonly #entries = new Map<string, { target: Target; lastUsed: number }>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  get size(): number {
    return this.#entries.size
  }

  learn(sid: string, target: Target): void {
    this.#expire()
    this.#entries.delete(sid)
    this.#entries.set(sid, { target, lastUsed: this.#now() })
  }

  /** The targets with the session's own gateway first, where it is known: also one that gets no new sessions just now. */
  prefer(sid: string, targets: Target[]): Target[] {
    this.#expire()
    const entry = this.#entries.get(sid)
    if (!entry) return targets
    const { target: owner } = entry
    this.#entries.delete(sid)
    this.#entries.set(sid, { target: owner, lastUsed: this.#now() })
    return [owner, ...targets.filter((target) => targetKey(target) !== targetKey(owner))]
  }

  #expire(): void {
    const oldest = this.#now() - SESSION_TTL_MS
    for (const [sid, entry] of this.#entries) {
      if (entry.lastUsed > oldest && this.#entries.size <= MAX_SESSIONS) return
      this.#entries.delete(sid)
    }
  }
}

/** The engine.io session that a handshake's answer announces in its cookie, if it does. */
export function announcedSession(setCookie: readonly string[] | undefined): string | undefined {
  for (const cookie of setCookie ?? []) {
    const match = /^io=([^;\s]+)/.exec(cookie)
    if (match?.[1]) return match[1]
  }
  return undefined
}
