import { type Database, findTokensValidFrom, revokeTokens, upsertUsers } from '@parley/db'
import { ParleyError } from '@parley/protocol'
import { Recent } from '@parley/runtime/recent'
import { BatchLoader } from './batch-loader.ts'

/** A user's tokens issued before `validFrom` (milliseconds since 1970) are refused. */
export interface Revocation {
  userId: string
  validFrom: number
}

export interface TokenRevocationsOptions {
  db: Database
  /** Notifies all processes, this one too. May fail: each rechecks by itself within {@link KNOWN_MS}. */
  tell: (revocation: Revocation) => void
}

/** How long a lookup is cached, in milliseconds: a lost notice takes effect after that. */
const KNOWN_MS = 30_000
const KNOWN_MAX = 25_000

/** Checks tokens against revocations. Looks a user up at most once per {@link KNOWN_MS}, many users in one query. */
export class TokenRevocations {
  readonly #options: TokenRevocationsOptions
  readonly #loader: BatchLoader<string, number>
  /** `until` by `performance.now()`, so that setting the clock back does not extend an entry. */
  readonly #known = new Recent<string, { validFrom: number; until: number }>(KNOWN_MAX)

  constructor(options: TokenRevocationsOptions) {
    this.#options = options
    this.#loader = new BatchLoader((userIds) => this.lookUp(userIds), 500)
  }

  /** @throws {ParleyError} TOKEN_INVALID if the token was revoked; one without an issue date counts as the oldest */
  async require(
    { userId, issuedAt }: { userId: string; issuedAt: Date | null },
    now = performance.now(),
  ): Promise<void> {
    const known = this.#known.get(userId)
    const validFrom = known !== undefined && known.until > now ? known.validFrom : await this.#load(userId, now)
    if ((issuedAt?.getTime() ?? 0) < validFrom) throw new ParleyError('TOKEN_INVALID', { message: REVOKED })
  }

  /**
   * Revokes a user's tokens issued before `before` (RFC 3339), in every process. null stands for now by the clock of Postgres,
   * so that the clock of this pod does not matter. Creates the user if they are not known yet.
   * @returns the time now in effect, which is later than `before` if a later one had been set already
   */
  async revoke(userId: string, before: string | null): Promise<string> {
    const { db, tell } = this.#options
    const unnamed = { id: userId, fullName: null, profilePhoto: undefined, nameKey: null, profileAt: new Date(0) }
    await upsertUsers(db.pool, [unnamed])
    const validFrom = await revokeTokens(db.pool, userId, before)
    // Deleted from the database in between.
    if (validFrom === undefined) return this.revoke(userId, before)
    const revocation = { userId, validFrom: Date.parse(validFrom) }
    this.note(revocation)
    tell(revocation)
    return validFrom
  }

  /** Records a revocation by another process. */
  note({ userId, validFrom }: Revocation, now = performance.now()): void {
    this.#remember(userId, Math.max(validFrom, this.#known.get(userId)?.validFrom ?? 0), now)
  }

  /** Reads `validFrom` by user id from the database, past the cache. Users without a revocation are omitted. */
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
