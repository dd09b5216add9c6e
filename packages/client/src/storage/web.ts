import { isEntry } from './entry.ts'
import type { OutboxStorage } from './types.ts'

/** The part of the Web Storage API (`localStorage`, `sessionStorage`) that is used. */
export interface WebStorageLike {
  readonly length: number
  key(index: number): string | null
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

/**
 * Keeps messages in `localStorage` or a compatible object, each under its own key (`<prefix>/<user>/<id>`), so that tabs do
 * not overwrite each other's. Two tabs may send the same message; the server stores it once.
 */
export function webStorage(storage: WebStorageLike, prefix = 'parley-outbox'): OutboxStorage {
  const folder = (userId: string) => `${prefix}/${encodeURIComponent(userId)}/`
  return {
    load: async (userId) => {
      const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index))
      return keys.flatMap((key) => {
        if (key === null || !key.startsWith(folder(userId))) return []
        const entry: unknown = parse(storage.getItem(key))
        return isEntry(entry) ? [entry] : []
      })
    },
    put: async (userId, entry) => storage.setItem(folder(userId) + entry.clientMessageId, JSON.stringify(entry)),
    remove: async (userId, clientMessageId) => storage.removeItem(folder(userId) + clientMessageId),
  }
}

function parse(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return null
  }
}
