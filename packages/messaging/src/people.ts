import {
  countByName,
  type Database,
  findByName,
  findByParts,
  findUsers,
  type UserProfile,
  upsertUsers,
} from '@parley/db'
import type { PageMeta, User, UserBody } from '@parley/protocol'
import { ParleyError, pageMeta } from '@parley/protocol'
import { Recent } from '@parley/runtime/recent'
import { BatchLoader } from './batch-loader.ts'
import { foldText } from './fold.ts'
import { presentUser } from './present.ts'

/** What a token says of a person; packages/auth makes it. */
export interface Claims {
  userId: string
  fullName: string | null
  profilePhoto: string | null
  /** When the token was issued, null if it does not say. */
  issuedAt: Date | null
}

/** People this process has seen are not written again for this long, in milliseconds, unless their claims differ. */
const SEEN_MS = 60_000
const SEEN_MAX = 25_000
/** How many have a text in their names that very many have is counted again after this long, in milliseconds. */
const COUNTED_MS = 5 * 60_000
/** A text is usual where one name in a hundred has it: there are hundreds of them. */
const COUNTED_MAX = 1_000
/** People in one statement. */
const SEE_BATCH = 500

/** Who there is. People appear with their first token or are written by the product's servers. */
export class People {
  readonly #db: Database
  readonly #tell: (userIds: readonly string[]) => void
  /** `until` by `performance.now()`. */
  readonly #seen = new Recent<string, { claims: string; user: User; until: number }>(SEEN_MAX)
  readonly #counted = new Recent<string, { total: Promise<number>; until: number }>(COUNTED_MAX)
  /** Calls of {@link forget}. */
  #forgotten = 0
  /** One by one, these were most of what a connection cost: 4,000 at once took two statements each. */
  readonly #loader: BatchLoader<Claims, User>
  readonly #known: BatchLoader<string, User>

  /** @param tell told of people whom a server has written, for all processes, this one too, to {@link forget} */
  constructor(db: Database, tell: (userIds: readonly string[]) => void = () => undefined) {
    this.#db = db
    this.#tell = tell
    this.#loader = new BatchLoader((claims) => this.#write(claims), SEE_BATCH)
    this.#known = new BatchLoader(async (userIds) => {
      const rows = await findUsers(db.pool, userIds)
      return new Map(rows.map((row) => [row.id, presentUser(row)]))
    }, SEE_BATCH)
  }

  /**
   * Makes sure that the person a token speaks for exists, as called by the newest token or server. What a server writes shows at
   * once, if its notice arrives; what a newer token says to another process, under the older one within {@link SEEN_MS}.
   */
  async see(claims: Claims, now = performance.now()): Promise<User> {
    const { userId, fullName, profilePhoto, issuedAt } = claims
    const fingerprint = JSON.stringify([fullName, profilePhoto, issuedAt])
    const seen = this.#seen.get(userId)
    if (seen !== undefined && seen.claims === fingerprint && seen.until > now) return seen.user
    const forgotten = this.#forgotten
    const user = await this.#loader.load(claims)
    if (user === undefined) throw new ParleyError('USER_NOT_FOUND')
    // A notice that came meanwhile may be of a change that this look was too early for.
    if (forgotten === this.#forgotten) this.#seen.set(userId, { claims: fingerprint, user, until: now + SEEN_MS })
    return user
  }

  /** Of several tokens of one person the newest counts, for all of them. */
  async #write(claims: readonly Claims[]): Promise<Map<Claims, User>> {
    const newest = new Map<string, UserProfile>()
    for (const { userId, fullName, profilePhoto, issuedAt } of claims) {
      const profileAt = issuedAt ?? new Date(0)
      const other = newest.get(userId)
      if (other !== undefined && other.profileAt > profileAt) continue
      const nameKey = fullName && foldText(fullName)
      newest.set(userId, { id: userId, fullName, profilePhoto: profilePhoto ?? undefined, nameKey, profileAt })
    }
    const rows = await upsertUsers(this.#db.pool, [...newest.values()])
    const users = new Map(rows.map((row) => [row.id, presentUser(row)]))
    return new Map(
      claims.flatMap((each) => {
        const user = users.get(each.userId)
        return user === undefined ? [] : [[each, user]]
      }),
    )
  }

  /** @throws {ParleyError} USER_NOT_FOUND */
  async get(userId: string): Promise<User> {
    const user = await this.#known.load(userId)
    if (user === undefined) throw new ParleyError('USER_NOT_FOUND')
    return user
  }

  /** Creates or changes people as the product's server says; in the order of the list, the last of the same id counts. */
  async put(users: readonly (UserBody & { id: string })[], now = new Date()): Promise<User[]> {
    const byId = new Map(users.map((user) => [user.id, user]))
    const profiles = [...byId.values()].map(({ id, fullName, profilePhoto }) => ({
      id,
      fullName,
      profilePhoto,
      nameKey: foldText(fullName),
      profileAt: now,
    }))
    const rows = await upsertUsers(this.#db.pool, profiles)
    const userIds = [...byId.keys()]
    this.forget(userIds)
    this.#tell(userIds)
    const stored = new Map(rows.map((row) => [row.id, presentUser(row)]))
    return userIds.flatMap((id) => stored.get(id) ?? [])
  }

  /** They are not what they were when they were seen. */
  forget(userIds: readonly string[]): void {
    this.#forgotten++
    for (const id of userIds) this.#seen.delete(id)
  }

  /** People by a part of their names, everybody by ''. Of a usual text the total may be {@link COUNTED_MS} old. */
  async search(text: string, page: number, limit: number): Promise<{ data: User[]; meta: PageMeta }> {
    const nameKey = foldText(text)
    const query = { nameKey, limit, offset: (page - 1) * limit }
    const usual = await findByName(this.#db.pool, query)
    const { rows, total } =
      usual === undefined
        ? await findByParts(this.#db.pool, query)
        : { rows: usual, total: Math.max(await this.#count(nameKey), query.offset + usual.length) }
    return { data: rows.map(presentUser), meta: pageMeta(page, limit, total) }
  }

  /** Those who ask meanwhile wait for the same answer. */
  #count(nameKey: string, now = performance.now()): Promise<number> {
    const known = this.#counted.get(nameKey)
    if (known !== undefined && known.until > now) return known.total
    const total = countByName(this.#db.pool, nameKey)
    this.#counted.set(nameKey, { total, until: now + COUNTED_MS })
    total.catch(() => this.#counted.delete(nameKey))
    return total
  }
}
