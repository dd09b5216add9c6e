import type { OutboxEntry, OutboxStorage } from './types.ts'

/** Keeps messages in memory: they survive disconnects, but not reloads. */
export function memoryStorage(): OutboxStorage {
  const kept = new Map<string, Map<string, OutboxEntry>>()
  return {
    load: async (userId) => [...(kept.get(userId)?.values() ?? [])],
    put: async (userId, entry) => {
      const entries = kept.get(userId) ?? new Map<string, OutboxEntry>()
      kept.set(userId, entries.set(entry.clientMessageId, entry))
    },
    remove: async (userId, clientMessageId) => void kept.get(userId)?.delete(clientMessageId),
  }
}
