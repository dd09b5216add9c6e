/** `sessionStorage` lasts as long as the tab and is its own; `localStorage` is one for all tabs. */
type Place = 'localStorage' | 'sessionStorage'

/** Keeps a text, or forgets it (null). Storage may be full or forbidden: then it lasts until the page is closed, at most. */
export function keep(place: Place, key: string, value: string | null): void {
  try {
    if (value === null) globalThis[place].removeItem(key)
    else globalThis[place].setItem(key, value)
  } catch {
    // As said above.
  }
}

/** What {@link keep} has put there; null where there is nothing, or the browser keeps nothing for this page. */
export function kept(place: Place, key: string): string | null {
  try {
    return globalThis[place].getItem(key)
  } catch {
    return null
  }
}
