import {
  countByName,
  type Database,
  findByName,
  findByParts,
  findUsers,
  isReadOnly,
  type UserProfile,
  type UserRow,
  upsertUsers,
} from '@parley/db'
import type { PageMeta, User, UserBody } from '@parley/protocol'
import { ParleyError, pageMeta } from '@parley/protocol'
import { Recent } from '@parley/runtime/recent'
import { BatchLoader } from './batch-loader.ts'
import { foldText } from './fold.ts'
import { presentUser } from './present.ts'

/** The user claims of a token, as packages/auth extracts them. */
export interface Claims {
  userId: string
  fullName: string | null
  profilePhoto: string | null
  /** When the token was issued; null if it does not say. */
  issuedAt: Date | null
}

/** How long a user seen by this process is not written again, in milliseconds, unless their claims differ. */
const SEEN_MS = 60_000
const SEEN_MAX = 25_000
/** How long the number of names with a common text is cached, in milliseconds. */
const COUNTED_MS = 5 * 60_000
/** A text is common if one name in a hundred contains it, so there are hundreds of common texts. */
const COUNTED_MAX = 1_000
/** After Postgres has refused a write, how long not to try again, in milliseconds: each attempt costs a connection. */
const READ_ONLY_MS = 1_000
/** Users per statement. */
const SEE_BATCH = 500

/** The users. They are created by their first token, or by the product's servers. */
export class People {
  readonly #db: Database
  readonly #notify: (userIds: readonly string[]) => void
  /** `until` by `performance.now()`. */
  readonly #seen = new Recent<string, { claims: string; user: User; until: number }>(SEEN_MAX)
  readonly #counted = new Recent<string, { total: Promise<number>; until: number }>(COUNTED_MAX)
  #writeAgainAt = 0
  /** Number of calls of {@link forget}. */
  #forgotten = 0
  /** Batched: one at a time, these statements were most of the cost of a connection (two for each of 4,000 at once). */
  readonly #loader: BatchLoader<Claims, User>
  readonly #known: BatchLoader<string, User>

  /** @param notify called after a server has written users, to have all processes (this one too) {@link forget} them */
  constructor(db: Database, notify: (userIds: readonly string[]) => void = () => undefined) {
    this.#db = db
    this.#notify = notify
    this.#loader = new BatchLoader((claims) => this.#write(claims), SEE_BATCH)
    this.#known = new BatchLoader(async (userIds) => {
      const rows = await findUsers(db.pool, userIds)
      return new Map(rows.map((row) => [row.id, presentUser(row)]))
    }, SEE_BATCH)
  }

  /**
   * Ensures that the user of a token exists, with the profile of the newest token or server write. What a server writes
   * shows at once, if its notice arrives; a newer token's profile, seen by another process, within {@link SEEN_MS}. While
   * Postgres takes no writes, users are returned as they are stored.
   * @throws {ParleyError} UNAVAILABLE if the user is new and cannot be written
   */
  async see(claims: Claims, now = performance.now()): Promise<User> {
    const { userId, fullName, profilePhoto, issuedAt } = claims
    const fingerprint = JSON.stringify([fullName, profilePhoto, issuedAt])
    const seen = this.#seen.get(userId)
    if (seen !== undefined && seen.claims === fingerprint && seen.until > now) return seen.user
    const forgotten = this.#forgotten
    const user = await this.#loader.load(claims)
    if (user === undefined) throw new ParleyError('UNAVAILABLE')
    // A notice that arrived meanwhile may be about a change that this statement came too early for.
    if (forgotten === this.#forgotten) this.#seen.set(userId, { claims: fingerprint, user, until: now + SEEN_MS })
    return user
  }

  /** Writes a batch; of several tokens of one user the newest applies to all. */
  async #write(claims: readonly Claims[]): Promise<Map<Claims, User>> {
    const newest = new Map<string, UserProfile & { profileAt: Date }>()
    for (const { userId, fullName, profilePhoto, issuedAt } of claims) {
      const profileAt = issuedAt ?? new Date(0)
      const other = newest.get(userId)
      if (other !== undefined && other.profileAt > profileAt) continue
      const nameKey = fullName && foldText(fullName)
      newest.set(userId, { id: userId, fullName, profilePhoto: profilePhoto ?? undefined, nameKey, profileAt })
    }
    const rows = await this.#writeOrRead([...newest.values()])
    const users = new Map(rows.map((row) => [row.id, presentUser(row)]))
    return new Map(
      claims.flatMap((each) => {
        const user = users.get(each.userId)
        return user === undefined ? [] : [[each, user]]
      }),
    )
  }

  async #writeOrRead(profiles: readonly UserProfile[], now = performance.now()): Promise<UserRow[]> {
    if (now >= this.#writeAgainAt) {
      try {
        return await upsertUsers(this.#db.pool, profiles)
      } catch (error) {
        if (!isReadOnly(error)) throw error
        this.#writeAgainAt = now + READ_ONLY_MS
      }
    }
    return findUsers(
      this.#db.pool,
      profiles.map(({ id }) => id),
    )
  }

  /** @throws {ParleyError} USER_NOT_FOUND */
  async get(userId: string): Promise<User> {
    const user = await this.#known.load(userId)
    if (user === undefined) throw new ParleyError('USER_NOT_FOUND')
    return user
  }

  /** Creates or updates users for one of the product's servers. Of several entries with the same id the last one applies. */
  async put(users: readonly (UserBody & { id: string })[]): Promise<User[]> {
    const byId = new Map(users.map((user) => [user.id, user]))
    const profiles = [...byId.values()].map(({ id, fullName, profilePhoto }) => ({
      id,
      fullName,
      profilePhoto,
      nameKey: foldText(fullName),
      profileAt: null,
    }))
    const rows = await upsertUsers(this.#db.pool, profiles)
    const userIds = [...byId.keys()]
    this.forget(userIds)
    this.#notify(userIds)
    const stored = new Map(rows.map((row) => [row.id, presentUser(row)]))
    return userIds.flatMap((id) => stored.get(id) ?? [])
  }

  /** Drops all cached users: the database may no longer have them. Everybody is written again with their next token. */
  forgetAll(): void {
    this.#forgotten++
    this.#seen.clear()
  }

  /** Drops cached users who have changed. */
  forget(userIds: readonly string[]): void {
    this.#forgotten++
    for (const id of userIds) this.#seen.delete(id)
  }

  /** Finds users by part of their name; '' matches everybody. For a common text the total may be {@link COUNTED_MS} old. */
  async search(text: string, page: number, limit: number): Promise<{ data: User[]; meta: PageMeta }> {
    const nameKey = foldText(text)
    const query = { nameKey, limit, offset: (page - 1) * limit }
    const common = await findByName(this.#db.pool, query)
    const { rows, total } =
      common === undefined
        ? await findByParts(this.#db.pool, query)
        : { rows: common, total: Math.max(await this.#count(nameKey), query.offset + common.length) }
    return { data: rows.map(presentUser), meta: pageMeta(page, limit, total) }
  }

  /** Counts the names with a text, cached; concurrent callers share one query. */
  #count(nameKey: string, now = performance.now()): Promise<number> {
    const known = this.#counted.get(nameKey)
    if (known !== undefined && known.until > now) return known.total
    const total = countByName(this.#db.pool, nameKey)
    this.#counted.set(nameKey, { total, until: now + COUNTED_MS })
    total.catch(() => this.#counted.delete(nameKey))
    return total
  }
}
