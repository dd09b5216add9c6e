import { noAnswer, within } from '@parley/runtime/within'
import { assertEpoch, peopleKey } from './keys.ts'
import { createLease } from './lease.ts'
import { newPerson, type Person, writePerson } from './person.ts'
import type { PresenceRedis } from './redis.ts'
import { defaultTiming, type PresenceTiming } from './states.ts'

export interface PresenceOptions extends Partial<PresenceTiming> {
  redis: PresenceRedis
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

/** A gateway's part in presence. No method rejects because Redis is away. */
export interface Presence {
  /** Takes the lease. Resolves within `connectWaitMs`, whether or not Redis answered; it is tried for ever. */
  start(): Promise<void>
  /**
   * Notes a connection. `becameOnline`: the person was offline; of any number of first connections at once, on any
   * gateways, one is told so. With Redis away the answer is false, and `onOnline` follows if need be.
   */
  connect(userId: string, connectionId: string, options?: { visible?: boolean }): Promise<{ becameOnline: boolean }>
  /** Notes the end of a connection. The reaper reports the person offline after the grace if it was the last. */
  disconnect(userId: string, connectionId: string): void
  /** Whether the person looks at the application on this connection. Connections begin visible. */
  setVisible(userId: string, connectionId: string, visible: boolean): void
  /** Has every connection leave with grace, so that people who come back on another gateway do not flicker. */
  stop(): Promise<void>
  /** Whether the lease is held, as far as this process knows. */
  readonly leaseHeld: boolean
  /** People who are connected to this process. */
  readonly people: number
}

/** People written at once when all of them are due. */
const flushWidth = 100

export function createPresence(options: PresenceOptions): Presence {
  const { redis, epoch, renewMs = 5_000, connectWaitMs = 1_000, stopMs = 5_000 } = options
  const { leaseMs = defaultTiming.leaseMs, graceMs = defaultTiming.graceMs } = options
  const onError = options.onError ?? (() => undefined)
  assertEpoch(epoch)
  const table = new Map<string, Person>()
  let stopped = false
  let flushing = false
  let flushAsked = false
  /** The connection to Redis is a new one. It may have lost what it was told last: it crashed, or a replica took its place. */
  let doubtful = false
  const onReady = (): void => {
    doubtful = true
  }

  const lease = createLease({
    redis,
    epoch,
    leaseMs,
    renewMs,
    onError,
    onRenewed: () => void flush(),
    onTaken: ({ previous, emptied }) => {
      for (const person of table.values()) {
        person.dirty = true
        // Nobody has been reported offline by a Redis that knew of nobody.
        if (previous !== null && !emptied) person.announced = false
        else person.owed = false
      }
      void flush()
    },
  })

  /** Writes a person until Redis has what the table says, or fails; without a lease, taking one leads here again. */
  function push(userId: string, person: Person): Promise<void> {
    person.dirty = true
    if (lease.incarnation() === null) return Promise.resolve()
    person.writing ??= writeAll(userId, person)
    return person.writing
  }

  async function writeAll(userId: string, person: Person): Promise<void> {
    for (
      let incarnation = lease.incarnation();
      person.dirty && incarnation !== null;
      incarnation = lease.incarnation()
    ) {
      person.dirty = false
      const waiting = person.waiting.splice(0)
      try {
        settle(userId, person, waiting, await writePerson(redis, { userId, epoch, incarnation, graceMs, person }))
      } catch (error) {
        person.dirty = true
        person.uncertain = !person.announced
        person.waiting.unshift(...waiting)
        onError(error)
        break
      }
    }
    // In the same breath as the last look at `dirty`: a change that comes later finds no write under way and starts one.
    person.writing = null
    if (person.connections.size === 0 && !person.dirty) table.delete(userId)
  }

  function settle(userId: string, person: Person, waiting: Person['waiting'], wasOffline: boolean): void {
    const announce = (wasOffline || person.owed) && !person.announced
    // Announced before and offline all the same: written under a lease that was lost, and not known to be, after the person
    // had been reported offline. The write under the next lease finds this one's entry and would take them for online.
    person.owed = wasOffline && !announce
    person.uncertain = false
    person.announced = person.connections.size > 0
    let untold = announce
    for (const answer of waiting) if (answer(untold)) untold = false
    if (untold) options.onOnline?.(userId)
  }

  /** Writes everybody who is due, some at a time. Asked again while under way, it goes round once more. */
  async function flush(): Promise<void> {
    flushAsked = true
    if (flushing) return
    flushing = true
    while (flushAsked) {
      flushAsked = false
      if (doubtful) await doubt().catch(onError)
      await pushAll([...table].filter(([, person]) => person.dirty))
    }
    flushing = false
  }

  /** Has everything written that Redis may have lost, and those leave who have left already. */
  async function doubt(): Promise<void> {
    const incarnation = lease.incarnation()
    const known = incarnation === null ? [] : await redis.smembers(peopleKey(incarnation))
    for (const userId of known) if (!table.has(userId)) table.set(userId, newPerson())
    for (const person of table.values()) {
      person.dirty = true
      person.registered = null
    }
    doubtful = false
  }

  async function pushAll(people: [string, Person][]): Promise<void> {
    for (let start = 0; start < people.length; start += flushWidth) {
      await Promise.all(people.slice(start, start + flushWidth).map(([userId, person]) => push(userId, person)))
    }
  }

  /** The answer of the next write; false when it takes too long, and then `onOnline` tells. */
  function nextWrite(person: Person): Promise<boolean> {
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
      }, connectWaitMs)
      person.waiting.push(answer)
    })
  }

  async function leaveAll(): Promise<void> {
    for (const person of table.values()) person.connections.clear()
    await pushAll([...table])
    // With somebody left over, the lease runs out by itself and the reaper does the rest.
    if (table.size === 0) await lease.release()
  }

  return {
    get leaseHeld() {
      return lease.held()
    },
    get people() {
      return table.size
    },
    async start() {
      redis.on('ready', onReady)
      await within(connectWaitMs, lease.start(), noAnswer('Redis', connectWaitMs)).catch(onError)
    },
    async connect(userId, connectionId, { visible = true } = {}) {
      if (stopped) return { becameOnline: false }
      const person = table.get(userId) ?? newPerson()
      table.set(userId, person)
      person.connections.set(connectionId, { visible, since: Date.now() })
      const answer = nextWrite(person)
      void push(userId, person)
      return { becameOnline: await answer }
    },
    disconnect(userId, connectionId) {
      const person = table.get(userId)
      if (person?.connections.delete(connectionId)) void push(userId, person)
    },
    setVisible(userId, connectionId, visible) {
      const person = table.get(userId)
      const connection = person?.connections.get(connectionId)
      if (!person || !connection || connection.visible === visible) return
      person.connections.set(connectionId, { ...connection, visible })
      void push(userId, person)
    },
    async stop() {
      if (stopped) return
      stopped = true
      redis.off('ready', onReady)
      lease.stop()
      await within(stopMs, leaveAll(), noAnswer('Redis', stopMs)).catch(onError)
    },
  }
}
