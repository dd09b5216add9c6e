import { callAll } from './emitter.ts'

/**
 * An observable value. Fits React's `useSyncExternalStore(store.subscribe, store.getSnapshot)`: the snapshot is the same
 * object until something in it has changed, and neither function needs a `this`.
 */
export interface Store<T> {
  /** Returns the current value, which is never modified in place. */
  readonly getSnapshot: () => T
  /** Calls `listener` after changes, once per turn of the event loop. Returns a function that unsubscribes it. */
  readonly subscribe: (listener: () => void) => () => void
}

/** A {@link Store} that computes its snapshot on demand after `invalidate`. */
export class LazyStore<T> implements Store<T> {
  readonly #make: () => T
  readonly #onWatched: ((watched: boolean) => void) | undefined
  readonly #listeners = new Set<() => void>()
  #snapshot: T | undefined
  #fresh = false
  #scheduled = false

  /** @param onWatched called when the first listener subscribes and when the last one unsubscribes */
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
    // Wrapped, so that the same listener may subscribe twice.
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
    // Release the old snapshot: nobody may ever read this store again.
    this.#snapshot = undefined
    if (this.#scheduled || this.#listeners.size === 0) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      callAll(this.#listeners, undefined)
    })
  }
}

/** Stores by id, each created when it is first requested. */
export class Stores<T> {
  readonly #make: (id: string) => T
  readonly #onWatched: ((id: string) => void) | undefined
  readonly #stores = new Map<string, LazyStore<T>>()

  /** @param onWatched called with the id of a store that gets its first listener */
  constructor(make: (id: string) => T, onWatched?: (id: string) => void) {
    this.#make = make
    this.#onWatched = onWatched
  }

  /** Returns the store for an id, which need not refer to anything yet. */
  of(id: string): LazyStore<T> {
    const store =
      this.#stores.get(id) ??
      new LazyStore(
        () => this.#make(id),
        (watched) => watched && this.#onWatched?.(id),
      )
    // Most recently used ones are at the end of the map.
    this.#stores.delete(id)
    this.#stores.set(id, store)
    return store
  }

  invalidate(id: string): void {
    this.#stores.get(id)?.invalidate()
  }

  /** Returns the ids of the stores with listeners, or of those without, least recently requested first. */
  ids(watched: boolean): string[] {
    return [...this.#stores].flatMap(([id, store]) => (store.watched === watched ? [id] : []))
  }
}

/** Combines two stores into one; its snapshot changes when one of theirs does. */
export function combine<A extends object, B, T>(a: Store<A>, b: Store<B>, join: (a: A, b: B) => T): Store<T> {
  // Weak, so that the messages of a dropped timeline are not kept alive from here.
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
      const unsubscribes = [a.subscribe(listener), b.subscribe(listener)]
      return () => {
        for (const unsubscribe of unsubscribes) unsubscribe()
      }
    },
  }
}
