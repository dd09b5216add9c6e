import { setTimeout as delay } from 'node:timers/promises'
import { ERRORS, type ErrorCode } from '@parley/protocol'
import { within } from '@parley/runtime/within'
import { type ChaosClient, codeOf, type View } from './client.ts'

export interface ChangesOptions {
  clients: ReadonlyMap<string, ChaosClient>
  /** Makes a person's tokens worthless, as the product's server would. */
  revoke: (userId: string) => Promise<unknown>
}

/** How many change something at a time, for each person. */
const LANES_EACH = 0.08
/** Shortest and longest pause of a lane, in milliseconds. */
const PAUSE_MS = [200, 800] as const
/** New conversations in all: everybody writes in all of theirs. */
const CREATED_MAX = 40
/** Groups with more people than this rather lose some. */
const LARGE = 8
/** What may be answered to one who does not know yet what has changed. */
const EXPECTED: readonly string[] = ['CONVERSATION_NOT_FOUND', 'FORBIDDEN', 'USER_NOT_FOUND', 'TOKEN_INVALID']

/** What a person does to one of their groups. */
interface Choice {
  client: ChaosClient
  id: string
  view: View
}

/**
 * People come and go all the time: they are removed and added again, leave, make conversations, rename them and have their
 * tokens revoked. Whether it came to be is left to the database.
 */
export class Changes {
  /** Answers that nobody should have got. */
  failures: string[] = []
  /** How often something was changed, by what it was. */
  readonly made: Record<string, number> = {}
  readonly #options: ChangesOptions
  #stop = new AbortController()
  #lanes: Promise<void>[] = []
  #created = 0
  /** Who was taken out of which group, to be put back. */
  readonly #outside: { id: string; userId: string }[] = []

  constructor(options: ChangesOptions) {
    this.#options = options
  }

  /** @param revocations whether tokens are revoked: those people are away for a second or more */
  start(revocations: boolean): void {
    this.#stop = new AbortController()
    const lanes = Math.ceil(this.#options.clients.size * LANES_EACH)
    this.#lanes = Array.from({ length: lanes }, () => this.#change(revocations, this.#stop.signal))
  }

  /** Lets every lane finish what it is at. Resolves to false if some could not within `boundMs`. */
  async stop(boundMs: number): Promise<boolean> {
    this.#stop.abort()
    const done = Promise.all(this.#lanes).then(() => true)
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
    const client = any([...this.#options.clients.values()])
    if (client === undefined) return
    const roll = Math.random()
    if (roll < 0.08) {
      if (revocations) await this.#make('revoked', this.#options.revoke(client.user.id))
      return
    }
    if (roll < 0.2) return this.#create(client)
    const groups = [...client.views()].filter(([, { type }]) => type === 'GROUP')
    const [id, view] = any(groups) ?? []
    if (id !== undefined && view !== undefined) await this.#alter({ client, id, view }, Math.random())
  }

  /** A direct conversation is made by both at once. */
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
    // Whom the client takes for the owner.
    const [ownerId] = [...view.members].find(([, { role }]) => role === 'OWNER') ?? []
    const owner = this.#options.clients.get(ownerId ?? '')
    const other = any([...view.members.keys()].filter((userId) => userId !== ownerId))
    if (owner === undefined || other === undefined) return
    await this.#take(owner, id, other)
    // Some come back before anybody may have heard that they went.
    if (roll > 0.85) await this.#make('added', owner.add(id, [other]))
  }

  async #take(client: ChaosClient, id: string, userId: string): Promise<void> {
    const what = client.user.id === userId ? 'left' : 'removed'
    if (await this.#make(what, client.remove(id, userId))) this.#outside.push({ id, userId })
  }

  /** Whoever was taken out, else somebody new. */
  async #add(client: ChaosClient, id: string, view: View): Promise<void> {
    const place = this.#outside.findIndex((outside) => outside.id === id)
    const [back] = place < 0 ? [] : this.#outside.splice(place, 1)
    const userIds = back ? [back.userId] : this.#people(1, [...view.members.keys()]).map(({ user }) => user.id)
    if (userIds.length > 0) await this.#make('added', client.add(id, userIds))
  }

  /** @returns whether it is known to have been done */
  async #make(what: string, work: Promise<unknown>): Promise<boolean> {
    try {
      await work
      this.made[what] = (this.made[what] ?? 0) + 1
      return true
    } catch (error) {
      const code = codeOf(error)
      const known = code !== undefined && Object.hasOwn(ERRORS, code)
      // Without an answer it may have been done or not.
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

function any<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)]
}
