import type { Identity, TokenVerifier } from '@parley/auth'
import { ParleyError } from '@parley/protocol'

/** The longest delay that setTimeout supports, in milliseconds: 2^31 - 1, about 25 days. */
const TIMER_MAX = 2 ** 31 - 1

/**
 * Calls back once when a socket's newest token expires. Renewing the token in time restarts the timer; delays too long for
 * setTimeout are waited for in steps.
 */
export class TokenLife {
  readonly #onEnd: () => void
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  /** @param expiresAt null for a token that does not expire */
  start(expiresAt: Date | null): void {
    clearTimeout(this.#timer)
    if (expiresAt !== null && !this.#stopped) this.#wait(expiresAt.getTime())
  }

  /** Stops for good: a later start(), from a renewal under way, does nothing. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #wait(endsAt: number): void {
    const left = Math.max(0, endsAt - Date.now())
    this.#timer = setTimeout(() => (left > TIMER_MAX ? this.#wait(endsAt) : this.#onEnd()), Math.min(left, TIMER_MAX))
  }
}

/**
 * Verifies a token for a socket, which lives only as long as its token. Unlike requests, sockets get no tolerance for the
 * issuer's clock after `exp`: the socket would be closed as soon as it opened.
 * @throws {ParleyError} as `verify` does; TOKEN_EXPIRED from `exp` on
 */
export async function verifyForLife(tokens: TokenVerifier, token: unknown): Promise<Identity> {
  const identity = await tokens.verify(token)
  if (identity.expiresAt !== null && identity.expiresAt.getTime() <= Date.now()) throw new ParleyError('TOKEN_EXPIRED')
  return identity
}
