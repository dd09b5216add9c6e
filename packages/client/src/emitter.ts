/**
 * Calls all listeners, except those that another listener removes in the meantime. A listener that throws does not keep the
 * others from being called; its error is rethrown in a microtask of its own.
 */
export function callAll<T>(listeners: ReadonlySet<(payload: T) => void>, payload: T): void {
  for (const listener of [...listeners]) {
    if (!listeners.has(listener)) continue
    try {
      listener(payload)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

/** Typed events. All listeners see the same order: an event that a listener causes is emitted after the current one. */
export class Emitter<Events extends { [Name in keyof Events]: unknown }> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>()
  readonly #queue: (() => void)[] = []
  #emitting = false

  /** Calls `listener` for each event of that name. Returns a function that unsubscribes it. */
  on<Name extends keyof Events>(name: Name, listener: (payload: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    // Wrapped, so that the same listener may be registered twice.
    const entry = (payload: Events[Name]) => listener(payload)
    listeners.add(entry)
    return () => void listeners.delete(entry)
  }

  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    const listeners = this.#listeners.get(name) as Set<(payload: Events[Name]) => void> | undefined
    if (listeners === undefined) return
    this.#queue.push(() => callAll(listeners, payload))
    if (this.#emitting) return
    this.#emitting = true
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next()
    this.#emitting = false
  }

  clear(): void {
    for (const listeners of this.#listeners.values()) listeners.clear()
  }
}
