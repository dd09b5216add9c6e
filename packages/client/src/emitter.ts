/**
 * Calls those who listen, but for those whom one of them takes away meanwhile. One that throws does not keep the others from
 * being called; its error is thrown on its own.
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

/** Typed events. Everybody hears of all in the same order: what a listener causes is told once the event before it has been. */
export class Emitter<Events extends { [Name in keyof Events]: unknown }> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>()
  readonly #waiting: (() => void)[] = []
  #telling = false

  /** Calls `listener` for each such event. Returns what ends it. */
  on<Name extends keyof Events>(name: Name, listener: (payload: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    // A function of its own, so that the same listener may be there twice.
    const entry = (payload: Events[Name]) => listener(payload)
    listeners.add(entry)
    return () => void listeners.delete(entry)
  }

  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    const listeners = this.#listeners.get(name) as Set<(payload: Events[Name]) => void> | undefined
    if (listeners === undefined) return
    this.#waiting.push(() => callAll(listeners, payload))
    if (this.#telling) return
    this.#telling = true
    for (let tell = this.#waiting.shift(); tell !== undefined; tell = this.#waiting.shift()) tell()
    this.#telling = false
  }

  clear(): void {
    for (const listeners of this.#listeners.values()) listeners.clear()
  }
}
