import { type Database, findTokensValidFrom, revokeTokens, upsertUsers } from '@parley/db'
import { ParleyError } from '@parley/protocol'
import { Recent } from '@parley/runtime/recent'
import { BatchLoader } from './batch-loader.ts'

/** A person's tokens issued before `validFrom` (milliseconds since 1970) are refused. */
export interface Revocation {
  userId: string
  validFrom: number
}

export interface TokenRevocationsOptions {
  db: Database
  /** Tells all processes, this one too. May fail: each looks again by itself within {@link KNOWN_MS}. */
  tell: (revocation: Revocation) => void
}

/** What is known of a person is looked up again after this long, in milliseconds, should a notice have been lost. */
const KNOWN_MS = 30_000
const KNOWN_MAX = 25_000

/** Whose tokens no longer count. One lookup for each person and half a minute, many people in one query. */
export class TokenRevocations {
  readonly #options: TokenRevocationsOptions
  readonly #loader: BatchLoader<string, number>
  /** `until` by `performance.now()`: a clock that is set back keeps nothing for longer. */
  readonly #known = new Recent<string, { validFrom: number; until: number }>(KNOWN_MAX)

  constructor(options: TokenRevocationsOptions) {
    this.#options = options
    this.#loader = new BatchLoader((userIds) => this.lookUp(userIds), 500)
  }

  /** @throws {ParleyError} TOKEN_INVALID where the token was revoked; one that does not say when it was issued is old */
  async require(
    { userId, issuedAt }: { userId: string; issuedAt: Date | null },
    now = performance.now(),
  ): Promise<void> {
    const known = this.#known.get(userId)
    const validFrom = known !== undefined && known.until > now ? known.validFrom : await this.#load(userId, now)
    if ((issuedAt?.getTime() ?? 0) < validFrom) throw new ParleyError('TOKEN_INVALID', { message: REVOKED })
  }

  /**
   * Refuses a person's tokens issued before `before` (RFC 3339) from now on, in every process. Somebody who has not been
   * seen yet becomes known by it.
   * @returns the moment that holds now, which is later where more had been revoked already
   */
  async revoke(userId: string, before: string): Promise<string> {
    const { db, tell } = this.#options
    const unnamed = { id: userId, fullName: null, profilePhoto: undefined, nameKey: null, profileAt: new Date(0) }
    await upsertUsers(db.pool, [unnamed])
    const validFrom = (await revokeTokens(db.pool, userId, before)) ?? before
    const revocation = { userId, validFrom: Date.parse(validFrom) }
    this.note(revocation)
    tell(revocation)
    return validFrom
  }

  /** Another process has revoked tokens. */
  note({ userId, validFrom }: Revocation, now = performance.now()): void {
    this.#remember(userId, Math.max(validFrom, this.#known.get(userId)?.validFrom ?? 0), now)
  }

  /** By person; those of whom no token was revoked are left out. Past what is remembered. */
  async lookUp(userIds: readonly string[]): Promise<Map<string, number>> {
    const rows = await findTokensValidFrom(this.#options.db.pool, userIds)
    return new Map(rows.map((row) => [row.id, Date.parse(row.tokens_valid_from)]))
  }

  async #load(userId: string, now: number): Promise<number> {
    const stored = (await this.#loader.load(userId)) ?? 0
    // A notice may have come while the query ran.
    const validFrom = Math.max(stored, this.#known.get(userId)?.validFrom ?? 0)
    this.#remember(userId, validFrom, now)
    return validFrom
  }

  #remember(userId: string, validFrom: number, now: number): void {
    this.#known.set(userId, { validFrom, until: now + KNOWN_MS })
  }
}

export const REVOKED = 'The token was revoked.'
