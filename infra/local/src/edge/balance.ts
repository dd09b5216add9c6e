/** The address of one app process. */
export interface Target {
  host: string
  port: number
}

/** How long an unused polling session is remembered, in milliseconds. Engine.IO itself drops it after 45 s. */
const SESSION_TTL_MS = 90_000
const MAX_SESSIONS = 200_000

/** Identifies a target for as long as its process lives. */
function targetKey(target: Target): string {
  return `${target.host}:${target.port}`
}

/** Orders targets round-robin: each call starts one further, and the others follow as fallbacks. */
export class RoundRobin {
  #next = 0

  order(targets: readonly Target[]): Target[] {
    if (targets.length === 0) return []
    const start = this.#next++ % targets.length
    return [...targets.slice(start), ...targets.slice(0, start)]
  }
}

/** Counts open requests and upgraded sockets per target, and prefers the least loaded. */
export class LeastConnections {
  readonly #open = new Map<string, number>()
  readonly #turn = new RoundRobin()

  /** Returns the targets, least loaded first; equally loaded ones take turns. */
  order(targets: readonly Target[]): Target[] {
    return this.#turn.order(targets).sort((a, b) => this.count(a) - this.count(b))
  }

  count(target: Target): number {
    return this.#open.get(targetKey(target)) ?? 0
  }

  /** Counts one connection, and returns a function that releases it; calling that more than once is safe. */
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
 * Remembers which gateway holds which Engine.IO session. A polling client names its session in every request (`?sid=`), and only
 * the gateway that created it knows it. Learned from the handshake's response, so the client needs no cookie jar.
 */
export class Sessions {
  // Sorted by last use, oldest first: each use moves an entry to the end.
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

  /** Returns the targets with the session's gateway first, if it is known, even if that is currently not among `targets`. */
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

/** Returns the Engine.IO session id in the cookie of a handshake's response, if there is one. */
export function announcedSession(setCookie: readonly string[] | undefined): string | undefined {
  for (const cookie of setCookie ?? []) {
    const match = /^io=([^;\s]+)/.exec(cookie)
    if (match?.[1]) return match[1]
  }
  return undefined
}
