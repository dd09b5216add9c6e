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
  /** Id of this process: 1 to 64 letters, digits, dashes and underscores; never used twice. */
  epoch: string
  /** Milliseconds between two renewals of the lease. Default 5000. */
  renewMs?: number
  /** Milliseconds that `start` and `connect` wait for Redis before they go on without it. Default 1000. */
  connectWaitMs?: number
  /** Milliseconds that `stop` may take. Default 5000. */
  stopMs?: number
  /**
   * A person became online and no `connect` was waiting to say so: Redis was away when they came, or they may have been
   * reported offline while this process had lost its lease.
   */
  onOnline?: (userId: string) => void
  /** Redis failed. Nothing is lost by it: what could not be written is written when Redis is back. */
  onError?: (error: unknown) => void
}

const DEFAULTS = { renewMs: 5_000, connectWaitMs: 1_000, stopMs: 5_000 }

/**
 * Milliseconds for which a gateway may stand still and keep its lease for sure: the last renewal may be as old as the pause
 * between two when it begins.
 */
export const LEASE_OUTLASTS_MS = defaultTiming.leaseMs - DEFAULTS.renewMs

/** People written at once when all of them are due. */
const FLUSH_WIDTH = 100

/** A gateway's part in presence. No method rejects because Redis is away. */
export class Presence {
  readonly #options: Required<PresenceOptions>
  readonly #lease: Lease
  readonly #table = new Map<string, Person>()
  #stopped = false
  #lingerMs = 0
  readonly #flush = new Rerun(() => this.#writeDue())
  /** The connection to Redis is a new one. It may have lost what it was told last: it crashed, or a replica took its place. */
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
        // The lease was held all the while: whom Redis did not know any more it had lost, and nobody had reported.
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

  /** People who are connected to this process. */
  get people(): number {
    return this.#table.size
  }

  /** Takes the lease. Resolves within `connectWaitMs`, whether or not Redis answered; it is tried for ever. */
  async start(): Promise<void> {
    const { redis, connectWaitMs, onError } = this.#options
    redis.on('ready', this.#onReady)
    await within(connectWaitMs, this.#lease.start(), noAnswer('Redis', connectWaitMs)).catch(onError)
  }

  /**
   * Notes a connection. `becameOnline`: the person was offline; of any number of first connections at once, on any
   * gateways, one is told so. With Redis away the answer is false, and `onOnline` follows if need be.
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

  /** Notes the end of a connection. The reaper reports the person offline after the grace if it was the last. */
  disconnect(userId: string, connectionId: string): void {
    const person = this.#table.get(userId)
    if (person?.connections.delete(connectionId)) void this.#push(userId, person)
  }

  /** Whether the person looks at the application on this connection. Connections begin visible. */
  setVisible(userId: string, connectionId: string, visible: boolean): void {
    const person = this.#table.get(userId)
    const connection = person?.connections.get(connectionId)
    if (!person || !connection || connection.visible === visible) return
    person.connections.set(connectionId, { ...connection, visible })
    void this.#push(userId, person)
  }

  /**
   * This process is about to end. Whose connection closes from now on has as long to come back as after a gateway's death, not
   * the grace alone: it is we who close it, and a stock client makes its second attempt after up to 4.5 s.
   */
  drain(): void {
    const { leaseMs, graceMs } = this.#options
    this.#lingerMs = leaseMs - graceMs
  }

  /** Has every connection that is left leave, as {@link drain} says. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    const { redis, stopMs, onError } = this.#options
    this.#stopped = true
    this.drain()
    redis.off('ready', this.#onReady)
    this.#lease.stop()
    await within(stopMs, this.#leaveAll(), noAnswer('Redis', stopMs)).catch(onError)
  }

  /** Writes a person until Redis has what the table says, or fails; without a lease, taking one leads here again. */
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
    // In the same breath as the last look at `dirty`: a change that comes later finds no write under way and starts one.
    person.writing = null
    if (person.connections.size === 0 && !person.dirty) this.#table.delete(userId)
  }

  #settle(userId: string, person: Person, waiting: Person['waiting'], wasOffline: boolean): void {
    const announce = (wasOffline || person.owed) && !person.announced
    // Announced before and offline all the same: written under a lease that was lost, and not known to be, after the person
    // had been reported offline. The write under the next lease finds this one's entry and would take them for online.
    person.owed = wasOffline && !announce
    person.announced = person.connections.size > 0
    let untold = announce
    for (const answer of waiting) if (answer(untold)) untold = false
    if (untold) this.#options.onOnline(userId)
  }

  /** The answer of the next write; false when it takes too long, and then `onOnline` tells. */
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
        // A write that is under way has it already.
        late = true
        person.waiting = person.waiting.filter((waiting) => waiting !== answer)
        resolve(false)
      }, this.#options.connectWaitMs)
      person.waiting.push(answer)
    })
  }

  /**
   * Has everybody written under a new lease.
   * @param reported whether they may have been reported offline: by a Redis that knew of nobody, nobody was
   */
  #rewrite(reported: boolean): void {
    for (const person of this.#table.values()) {
      person.dirty = true
      if (reported) person.announced = false
      else person.owed = false
    }
  }

  /** Has everything written that Redis may have lost, and those leave who have left already. */
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

  /** Writes everybody who is due, some at a time. */
  async #writeDue(): Promise<void> {
    if (this.#doubtful) await this.#doubt().catch(this.#options.onError)
    await this.#pushAll([...this.#table].filter(([, person]) => person.dirty))
  }

  async #pushAll(people: [string, Person][]): Promise<void> {
    for (const some of partsOf(people, FLUSH_WIDTH)) {
      await Promise.all(some.map(([userId, person]) => this.#push(userId, person)))
    }
  }

  async #leaveAll(): Promise<void> {
    for (const person of this.#table.values()) person.connections.clear()
    await this.#pushAll([...this.#table])
    // With somebody left over, the lease runs out by itself and the reaper does the rest.
    if (this.#table.size === 0) await this.#lease.release()
  }
}
