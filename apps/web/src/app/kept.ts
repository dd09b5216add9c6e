/** `sessionStorage` is per tab and lasts as long as the tab; `localStorage` is shared by all tabs. */
type Place = 'localStorage' | 'sessionStorage'

/** Stores a text, or removes it (null). Does nothing if storage is full or not allowed. */
export function keep(place: Place, key: string, value: string | null): void {
  try {
    if (value === null) globalThis[place].removeItem(key)
    else globalThis[place].setItem(key, value)
  } catch {
    // Full or not allowed.
  }
}

/** Returns what {@link keep} has stored; null if there is nothing, or storage is not allowed. */
export function kept(place: Place, key: string): string | null {
  try {
    return globalThis[place].getItem(key)
  } catch {
    return null
  }
}
