import type { OutboxEntry } from './types.ts'

/** Whether a value read from a storage is a complete entry: anybody may have written to it. */
export function isEntry(value: unknown): value is OutboxEntry {
  if (typeof value !== 'object' || value === null) return false
  const { clientMessageId, conversationId, content, createdAt, order } = value as Partial<
    Record<keyof OutboxEntry, unknown>
  >
  return (
    typeof clientMessageId === 'string' &&
    typeof conversationId === 'string' &&
    typeof content === 'string' &&
    typeof createdAt === 'number' &&
    typeof order === 'number'
  )
}
