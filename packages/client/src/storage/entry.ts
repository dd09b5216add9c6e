import type { OutboxEntry } from './types.ts'

/** What comes out of a storage may have been written by anybody: only whole entries are taken. */
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
