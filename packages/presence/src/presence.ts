import type { RedisClient } from '@parley/redis'
import { partsOf } from '@parley/runtime/parts'
import { Rerun } from '@parley/runtime/rerun'
import { noAnswer, within } from '@parley/runtime/within'
import { assertEpoch, peopleKey } from './keys.ts'
import { Lease } from './lease.ts'
import { newPerson, type Person, writePerson } from './person.ts'
import { defaultTiming, type PresenceTiming } from './states.ts'

export interface PresenceOptions extends Partial<PresenceTiming> {
  redis: RedisClient
  /** Id of this process: 1 to 64 letters, digits, dashes and underscores; never reused. */
  epoch: string
  /** Milliseconds between two renewals of the lease. Default 5000. */
  renewMs?: number
  /** Milliseconds that `start` and `connect` wait for Redis before they continue without it. Default 1000. */
  connectWaitMs?: number
  /** Milliseconds that `stop` may take. Default 5000. */
  stopMs?: number
  /**
   * A user came online and no `connect` was waiting to return it: Redis was down when they connected, or they may have been
   * reported offline while this process had lost its lease.
   */
  onOnline?: (userId: string) => void
  /** Redis failed. Nothing is lost: pending writes are made when Redis is back. */
  onError?: (error: unknown) => void
}

const DEFAULTS = { renewMs: 5_000, connectWaitMs: 1_000, stopMs: 5_000 }

/**
 * How long a gateway may be frozen and is certain to keep its lease, in milliseconds: when the freeze begins, the last renewal
 * may be up to one renewal interval old.
 */
export const LEASE_OUTLASTS_MS = defaultTiming.leaseMs - DEFAULTS.renewMs

/** Number of users written concurrently when all of them are due. */
const FLUSH_WIDTH = 100

/** The gateway's side of presence. No method rejects because Redis is down. */
export class Presence {
  readonly #options: Required<PresenceOptions>
  readonly #lease: Lease
  readonly #table = new Map<string, Person>()
  #stopped = false
  #lingerMs = 0
  readonly #flush = new Rerun(() => this.#writeDue())
  /** The connection to Redis is new. Redis may have lost the last writes: by a crash, or by failing over to a replica. */
  #doubtful = false
  readonly #onReady = (): void => {
    this.#doubtful = true
  }

  constructor(options: PresenceOptions) {
    assertEpoch(options.epoch)
    const nothing = () => undefined
    this.#options = { ...defaultTiming, ...DEFAULTS, onOnline: nothing, onError: nothing, ...options }
    const { redis, epoch, leaseMs, renewMs, onError } = this.#options
    this.#lease = new Lease({
      redis,
      epoch,
      leaseMs,
      renewMs,
      onError,
      onRenewed: () => {
        // The lease was held all along: users that Redis no longer had were lost by it, and not reported offline.
        for (const person of this.#table.values()) person.owed = false
        this.#flush.ask()
      },
      onTaken: ({ previous, emptied }) => {
        this.#rewrite(previous !== null && !emptied)
        this.#flush.ask()
      },
    })
  }

  /** Whether the lease is held, as far as this process knows. */
  get leaseHeld(): boolean {
    return this.#lease.held
  }

  /** Number of users connected to this process. */
  get people(): number {
    return this.#table.size
  }

  /** Takes the lease. Resolves within `connectWaitMs`, whether or not Redis answered; keeps retrying until `stop`. */
  async start(): Promise<void> {
    const { redis, connectWaitMs, onError } = this.#options
    redis.on('ready', this.#onReady)
    await within(connectWaitMs, this.#lease.start(), noAnswer('Redis', connectWaitMs)).catch(onError)
  }

  /**
   * Records a connection.
   * @returns `becameOnline`: the user was offline. Of any number of concurrent first connections, on any gateways, only one
   * gets true. If Redis is down it is false, and `onOnline` follows if necessary
   */
  async connect(userId: string, connectionId: string, { visible = true } = {}): Promise<{ becameOnline: boolean }> {
    if (this.#stopped) return { becameOnline: false }
    const person = this.#table.get(userId) ?? newPerson()
    this.#table.set(userId, person)
    person.connections.set(connectionId, { visible, since: Date.now() })
    const answer = this.#nextWrite(person)
    void this.#push(userId, person)
    return { becameOnline: await answer }
  }

  /** Records the end of a connection. If it was the last, the reaper reports the user offline after the grace. */
  disconnect(userId: string, connectionId: string): void {
    const person = this.#table.get(userId)
    if (person?.connections.delete(connectionId)) void this.#push(userId, person)
  }

  /** Sets whether the user is looking at the application on this connection. */
  setVisible(userId: string, connectionId: string, visible: boolean): void {
    const person = this.#table.get(userId)
    const connection = person?.connections.get(connectionId)
    if (!person || !connection || connection.visible === visible) return
    person.connections.set(connectionId, { ...connection, visible })
    void this.#push(userId, person)
  }

  /**
   * This process is about to stop. Users whose connections close from now on have as long to come back as after a gateway's
   * death, not just the grace: we close the connections, and a stock client makes its second attempt after up to 4.5 s.
   */
  drain(): void {
    const { leaseMs, graceMs } = this.#options
    this.#lingerMs = leaseMs - graceMs
  }

  /** Ends all remaining connections, as described at {@link drain}, and releases the lease. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    const { redis, stopMs, onError } = this.#options
    this.#stopped = true
    this.drain()
    redis.off('ready', this.#onReady)
    this.#lease.stop()
    await within(stopMs, this.#leaveAll(), noAnswer('Redis', stopMs)).catch(onError)
  }

  /** Writes a user until Redis matches the table, or fails. Without a lease, taking one leads here again. */
  #push(userId: string, person: Person): Promise<void> {
    person.dirty = true
    if (this.#lease.incarnation === null) return Promise.resolve()
    person.writing ??= this.#writeAll(userId, person)
    return person.writing
  }

  async #writeAll(userId: string, person: Person): Promise<void> {
    const { redis, epoch, graceMs, onError } = this.#options
    while (person.dirty) {
      const { incarnation } = this.#lease
      if (incarnation === null) break
      person.dirty = false
      const waiting = person.waiting.splice(0)
      try {
        const wasOffline = await writePerson(redis, {
          userId,
          epoch,
          incarnation,
          graceMs,
          lingerMs: this.#lingerMs,
          person,
        })
        this.#settle(userId, person, waiting, wasOffline)
      } catch (error) {
        person.dirty = true
        person.waiting.unshift(...waiting)
        onError(error)
        break
      }
    }
    // Synchronously after the last check of `dirty`: a later change finds no write in progress and starts one.
    person.writing = null
    if (person.connections.size === 0 && !person.dirty) this.#table.delete(userId)
  }

  #settle(userId: string, person: Person, waiting: Person['waiting'], wasOffline: boolean): void {
    const announce = (wasOffline || person.owed) && !person.announced
    // Announced before, and offline all the same: this write was made under a lease that had been lost unnoticed, after the user
    // was reported offline. The write under the next lease will find this one's entry and take the user for online.
    person.owed = wasOffline && !announce
    person.announced = person.connections.size > 0
    let isPending = announce
    for (const answer of waiting) if (answer(isPending)) isPending = false
    if (isPending) this.#options.onOnline(userId)
  }

  /** Resolves to the result of the next write, or to false if that takes too long; `onOnline` then reports it. */
  #nextWrite(person: Person): Promise<boolean> {
    return new Promise((resolve) => {
      let late = false
      const answer = (becameOnline: boolean): boolean => {
        if (late) return false
        clearTimeout(timer)
        resolve(becameOnline)
        return true
      }
      const timer = setTimeout(() => {
        // A write in progress may hold this callback already, hence the flag.
        late = true
        person.waiting = person.waiting.filter((waiting) => waiting !== answer)
        resolve(false)
      }, this.#options.connectWaitMs)
      person.waiting.push(answer)
    })
  }

  /**
   * Marks everybody to be written under a new lease.
   * @param reported whether they may have been reported offline, which is impossible if Redis had lost its data
   */
  #rewrite(reported: boolean): void {
    for (const person of this.#table.values()) {
      person.dirty = true
      if (reported) person.announced = false
      else person.owed = false
    }
  }

  /** Marks everybody to be written again, as Redis may have lost it, including users in Redis who have disconnected since. */
  async #doubt(): Promise<void> {
    const { incarnation } = this.#lease
    const known = incarnation === null ? [] : await this.#options.redis.smembers(peopleKey(incarnation))
    for (const userId of known) if (!this.#table.has(userId)) this.#table.set(userId, newPerson())
    for (const person of this.#table.values()) {
      person.dirty = true
      person.registered = null
    }
    this.#doubtful = false
  }

  /** Writes everybody who is due, a batch at a time. */
  async #writeDue(): Promise<void> {
    if (this.#doubtful) await this.#doubt().catch(this.#options.onError)
    await this.#pushAll([...this.#table].filter(([, person]) => person.dirty))
  }

  async #pushAll(people: [string, Person][]): Promise<void> {
    for (const batch of partsOf(people, FLUSH_WIDTH)) {
      await Promise.all(batch.map(([userId, person]) => this.#push(userId, person)))
    }
  }

  async #leaveAll(): Promise<void> {
    for (const person of this.#table.values()) person.connections.clear()
    await this.#pushAll([...this.#table])
    // If somebody is left over, the lease expires by itself and the reaper does the rest.
    if (this.#table.size === 0) await this.#lease.release()
  }
}
