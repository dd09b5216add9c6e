import { callAll } from './emitter.ts'

/**
 * A value that can be watched. Fits React's `useSyncExternalStore(store.subscribe, store.getSnapshot)`: the snapshot is
 * the same object until something in it has changed, and both functions need no `this`.
 */
export interface Store<T> {
  /** The value as it is now. Never changed in place. */
  readonly getSnapshot: () => T
  /** Calls `listener` after changes, once for all of a turn. Returns what ends it. */
  readonly subscribe: (listener: () => void) => () => void
}

/** A {@link Store} whose snapshot is made when it is asked for, after `invalidate`. */
export class LazyStore<T> implements Store<T> {
  readonly #make: () => T
  readonly #onWatched: ((watched: boolean) => void) | undefined
  readonly #listeners = new Set<() => void>()
  #snapshot: T | undefined
  #fresh = false
  #scheduled = false

  /** @param onWatched told when the first listener comes and when the last one goes */
  constructor(make: () => T, onWatched?: (watched: boolean) => void) {
    this.#make = make
    this.#onWatched = onWatched
  }

  readonly getSnapshot = (): T => {
    if (!this.#fresh) {
      this.#snapshot = this.#make()
      this.#fresh = true
    }
    return this.#snapshot as T
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    // A function of its own, so that the same listener may subscribe twice.
    const entry = () => listener()
    this.#listeners.add(entry)
    if (this.#listeners.size === 1) this.#onWatched?.(true)
    return () => {
      if (this.#listeners.delete(entry) && this.#listeners.size === 0) this.#onWatched?.(false)
    }
  }

  get watched(): boolean {
    return this.#listeners.size > 0
  }

  /** The value has changed. */
  invalidate(): void {
    this.#fresh = false
    // Nobody may ever ask again: what it held is let go of.
    this.#snapshot = undefined
    if (this.#scheduled || this.#listeners.size === 0) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      callAll(this.#listeners, undefined)
    })
  }
}

/** Stores by id, each made when it is first asked for. */
export class Stores<T> {
  readonly #make: (id: string) => T
  readonly #onWatched: ((id: string) => void) | undefined
  readonly #stores = new Map<string, LazyStore<T>>()

  /** @param onWatched told of the id whose store gets its first listener */
  constructor(make: (id: string) => T, onWatched?: (id: string) => void) {
    this.#make = make
    this.#onWatched = onWatched
  }

  /** The store of an id, which need not be one of anything yet. */
  of(id: string): LazyStore<T> {
    const store =
      this.#stores.get(id) ??
      new LazyStore(
        () => this.#make(id),
        (watched) => watched && this.#onWatched?.(id),
      )
    // Asked for last: at the end of the map.
    this.#stores.delete(id)
    this.#stores.set(id, store)
    return store
  }

  invalidate(id: string): void {
    this.#stores.get(id)?.invalidate()
  }

  /** Ids of the stores that somebody listens to, or of the others, in the order in which they were asked for last. */
  ids(watched: boolean): string[] {
    return [...this.#stores].flatMap(([id, store]) => (store.watched === watched ? [id] : []))
  }
}

/** A store of two; its snapshot is new when one of theirs is. */
export function combine<A extends object, B, T>(a: Store<A>, b: Store<B>, join: (a: A, b: B) => T): Store<T> {
  // Goes with the snapshot that it was made of: a timeline that is let go of is not held here.
  const last = new WeakMap<A, { b: B; joined: T }>()
  return {
    getSnapshot: () => {
      const now = { a: a.getSnapshot(), b: b.getSnapshot() }
      const known = last.get(now.a)
      if (known !== undefined && known.b === now.b) return known.joined
      const joined = join(now.a, now.b)
      last.set(now.a, { b: now.b, joined })
      return joined
    },
    subscribe: (listener) => {
      const ends = [a.subscribe(listener), b.subscribe(listener)]
      return () => {
        for (const end of ends) end()
      }
    },
  }
}
