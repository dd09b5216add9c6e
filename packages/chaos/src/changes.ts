import { setTimeout as delay } from 'node:timers/promises'
import { ERRORS, type ErrorCode } from '@parley/protocol'
import { within } from '@parley/runtime/within'
import { type ChaosClient, codeOf, type View } from './client.ts'

export interface ChangesOptions {
  clients: ReadonlyMap<string, ChaosClient>
  /** Revokes a person's tokens, as the product's server would. */
  revoke: (userId: string) => Promise<unknown>
}

/** Concurrent loops of changes per person. */
const LOOPS_EACH = 0.08
/** The shortest and longest pause of a loop, in milliseconds. */
const PAUSE_MS = [200, 800] as const
/** The most conversations that are created: everybody writes in all of theirs. */
const CREATED_MAX = 40
/** Groups larger than this rather lose members. */
const LARGE = 8
/** Errors that are right for somebody who does not know yet what has changed. */
const EXPECTED: readonly string[] = ['CONVERSATION_NOT_FOUND', 'FORBIDDEN', 'USER_NOT_FOUND', 'TOKEN_INVALID']

/** A person, and one of their groups that they will change. */
interface Choice {
  client: ChaosClient
  id: string
  view: View
}

/**
 * Continually changes memberships: people are removed and added again, leave, create and rename conversations, and have their
 * tokens revoked. Whether a change took effect is read from the database.
 */
export class Changes {
  /** Errors that should not have occurred. */
  failures: string[] = []
  /** The number of changes made, by kind. */
  readonly made: Record<string, number> = {}
  readonly #options: ChangesOptions
  #stop = new AbortController()
  #loops: Promise<void>[] = []
  #created = 0
  /** Who was removed from which group and may be added again. */
  readonly #outside: { id: string; userId: string }[] = []

  constructor(options: ChangesOptions) {
    this.#options = options
  }

  /** @param revocations whether to revoke tokens, which disconnects people for a second or more */
  start(revocations: boolean): void {
    this.#stop = new AbortController()
    const loops = Math.ceil(this.#options.clients.size * LOOPS_EACH)
    this.#loops = Array.from({ length: loops }, () => this.#change(revocations, this.#stop.signal))
  }

  /** Lets every loop finish its change. Resolves to false if one could not within `boundMs`. */
  async stop(boundMs: number): Promise<boolean> {
    this.#stop.abort()
    const done = Promise.all(this.#loops).then(() => true)
    return within(boundMs, done, () => false)
  }

  async #change(revocations: boolean, stop: AbortSignal): Promise<void> {
    const [shortest, longest] = PAUSE_MS
    while (!stop.aborted) {
      await this.#once(revocations)
      await delay(shortest + Math.random() * (longest - shortest), undefined, { signal: stop }).catch(() => undefined)
    }
  }

  async #once(revocations: boolean): Promise<void> {
    const client = randomOf([...this.#options.clients.values()])
    if (client === undefined) return
    const roll = Math.random()
    if (roll < 0.08) {
      if (revocations) await this.#make('revoked', this.#options.revoke(client.user.id))
      return
    }
    if (roll < 0.2) return this.#create(client)
    const groups = [...client.views()].filter(([, { type }]) => type === 'GROUP')
    const [id, view] = randomOf(groups) ?? []
    if (id !== undefined && view !== undefined) await this.#alter({ client, id, view }, Math.random())
  }

  /** Creates a conversation; a direct one is created by both people at once. */
  async #create(client: ChaosClient): Promise<void> {
    if (this.#created++ >= CREATED_MAX) return
    const others = this.#people(1 + Math.floor(Math.random() * 4), [client.user.id])
    const direct = others.length === 1
    const creators = direct ? [client, ...others] : [client]
    const members = [client, ...others].map(({ user }) => user.id)
    const type = direct ? 'DIRECT' : 'GROUP'
    const create = (creator: ChaosClient) =>
      creator.create(
        type,
        members.filter((id) => id !== creator.user.id),
      )
    await Promise.all(creators.map((creator) => this.#make('created', create(creator))))
  }

  async #alter({ client, id, view }: Choice, roll: number): Promise<void> {
    if (roll < 0.1) return void (await this.#make('renamed', client.rename(id, `Name ${Math.random()}`)))
    if (roll < 0.25) return this.#take(client, id, client.user.id)
    if (roll < (view.members.size > LARGE ? 0.35 : 0.6)) return this.#add(client, id, view)
    // Who is the owner in this client's view.
    const [ownerId] = [...view.members].find(([, { role }]) => role === 'OWNER') ?? []
    const owner = this.#options.clients.get(ownerId ?? '')
    const other = randomOf([...view.members.keys()].filter((userId) => userId !== ownerId))
    if (owner === undefined || other === undefined) return
    await this.#take(owner, id, other)
    // Add some again before anybody may have heard that they were removed.
    if (roll > 0.85) await this.#make('added', owner.add(id, [other]))
  }

  async #take(client: ChaosClient, id: string, userId: string): Promise<void> {
    const what = client.user.id === userId ? 'left' : 'removed'
    if (await this.#make(what, client.remove(id, userId))) this.#outside.push({ id, userId })
  }

  /** Adds somebody who was removed, or else somebody new. */
  async #add(client: ChaosClient, id: string, view: View): Promise<void> {
    const place = this.#outside.findIndex((outside) => outside.id === id)
    const [back] = place < 0 ? [] : this.#outside.splice(place, 1)
    const userIds = back ? [back.userId] : this.#people(1, [...view.members.keys()]).map(({ user }) => user.id)
    if (userIds.length > 0) await this.#make('added', client.add(id, userIds))
  }

  /** @returns whether the change is known to have been made */
  async #make(what: string, work: Promise<unknown>): Promise<boolean> {
    try {
      await work
      this.made[what] = (this.made[what] ?? 0) + 1
      return true
    } catch (error) {
      const code = codeOf(error)
      const known = code !== undefined && Object.hasOwn(ERRORS, code)
      // Without an answer, the change may have been made or not.
      if (known && !EXPECTED.includes(code) && !ERRORS[code as ErrorCode].retry) this.failures.push(`${what}: ${error}`)
      return false
    }
  }

  #people(count: number, but: readonly string[]): ChaosClient[] {
    const left = [...this.#options.clients.values()].filter(({ user }) => !but.includes(user.id))
    return Array.from({ length: Math.min(count, left.length) }, () =>
      left.splice(Math.floor(Math.random() * left.length), 1),
    ).flat()
  }
}

function randomOf<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)]
}
