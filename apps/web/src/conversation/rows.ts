import type { Message, PendingMessage } from '@parley/client'
import { isSameDay } from '../text/dates.ts'
import type { Upload } from '../uploads/upload-queue.ts'

/** Messages from one person within this time are grouped, in milliseconds. */
const GROUP_MS = 5 * 60_000

/** A bubble's position in its group: the first has the name above it, the last the picture beside it. */
export interface Place {
  readonly first: boolean
  readonly last: boolean
}

export type Row =
  | { readonly kind: 'day'; readonly key: string; readonly date: Date }
  | { readonly kind: 'unread'; readonly key: string }
  | { readonly kind: 'system'; readonly key: string; readonly message: Message }
  | ({ readonly kind: 'message'; readonly key: string; readonly message: Message } & Place)
  | ({ readonly kind: 'pending'; readonly key: string; readonly pending: PendingMessage } & Place)
  | ({ readonly kind: 'upload'; readonly key: string; readonly upload: Upload } & Place)

export interface RowsInput {
  readonly messages: readonly Message[]
  readonly pending: readonly PendingMessage[]
  readonly uploads: readonly Upload[]
  readonly me: string
  /** Whether there are messages before the first, so that what comes above it is not known yet. */
  readonly hasOlder: boolean
  /** Whether there are messages after the last, in which case unsent messages are not shown. */
  readonly hasNewer: boolean
  /** The line for unread messages is before the first message from others after this seq; null for no line. */
  readonly unreadAfter: number | null
}

interface Entry {
  key: string
  senderId: string
  at: Date
  single: boolean
  row: (place: Place) => Row
}

/**
 * Builds the rows of a history, oldest first. A row's key stays the same when the person's own message has been stored, and when
 * older messages are added. Nothing is put above the first message while there are older ones, because it would have to be
 * removed when they are loaded.
 */
export function buildRows(input: RowsInput): Row[] {
  const { hasOlder, unreadAfter, me } = input
  const entries = entriesOf(input)
  const rows: Row[] = []
  let lineDrawn = unreadAfter === null
  let before: Entry | undefined
  for (const [index, entry] of entries.entries()) {
    const after = entries[index + 1]
    const newDay = before === undefined ? !hasOlder : !isSameDay(before.at, entry.at)
    if (newDay) rows.push({ kind: 'day', key: `day ${entry.key}`, date: entry.at })
    const seq = input.messages[index]?.seq ?? 0
    const isFirstUnread = !lineDrawn && seq > (unreadAfter ?? 0) && entry.senderId !== me
    // If no read message is loaded, the first unread one may be further up.
    if (isFirstUnread && (before !== undefined || !hasOlder)) {
      rows.push({ kind: 'unread', key: 'unread' })
    }
    if (isFirstUnread) lineDrawn = true
    const first = newDay || isFirstUnread || !together(before, entry)
    const last = !together(entry, after) || isUnreadBoundary(input, index, lineDrawn)
    rows.push(entry.row({ first: before === undefined && hasOlder ? false : first, last }))
    before = entry
  }
  return rows
}

/** Returns whether the next message is the one that the line will be before. */
function isUnreadBoundary({ messages, unreadAfter, me }: RowsInput, index: number, lineDrawn: boolean): boolean {
  const next = messages[index + 1]
  return !lineDrawn && next !== undefined && next.seq > (unreadAfter ?? 0) && next.senderId !== me
}

function together(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === undefined || b === undefined || a.single || b.single || a.senderId !== b.senderId) return false
  return b.at.getTime() - a.at.getTime() <= GROUP_MS && isSameDay(a.at, b.at)
}

function entriesOf({ messages, pending, uploads, me, hasNewer }: RowsInput): Entry[] {
  const stored = messages.map((message): Entry => {
    // The person's own messages keep their key when stored; other people's clientMessageIds could collide with them.
    const key = message.senderId === me ? `own ${message.clientMessageId}` : message.id
    const single = message.type === 'SYSTEM'
    return {
      key,
      senderId: message.senderId,
      at: new Date(message.createdAt),
      single,
      row: (place) => (single ? { kind: 'system', key, message } : { kind: 'message', key, message, ...place }),
    }
  })
  if (hasNewer) return stored
  const known = new Set(messages.filter(({ senderId }) => senderId === me).map((own) => own.clientMessageId))
  const waiting = pending
    .filter(({ clientMessageId }) => !known.has(clientMessageId))
    .map((item) => ({ id: item.clientMessageId, at: item.createdAt, pending: item }))
  const waitingIds = new Set(waiting.map(({ id }) => id))
  const files = uploads
    .filter(({ id }) => !known.has(id) && !waitingIds.has(id))
    .map((upload) => ({ id: upload.id, at: upload.createdAt, upload }))
  const own = [...waiting, ...files].sort((a, b) => a.at - b.at)
  return [
    ...stored,
    ...own.map((item): Entry => {
      const key = `own ${item.id}`
      return {
        key,
        senderId: me,
        at: new Date(item.at),
        single: false,
        row: (place) =>
          'pending' in item
            ? { kind: 'pending', key, pending: item.pending, ...place }
            : { kind: 'upload', key, upload: item.upload, ...place },
      }
    }),
  ]
}

/** Estimates a row's height in pixels, until it has been measured. @param width of the column */
export function estimateHeight(row: Row, width: number): number {
  switch (row.kind) {
    case 'day':
    case 'unread':
      return 44
    case 'system':
      return 34
    case 'pending':
      return textHeight(row.pending.content, width) + (row.first ? 10 : 2)
    case 'upload':
      return (row.upload.previewUrl === null ? 76 : 260) + (row.first ? 10 : 2)
    case 'message': {
      const { content, attachments } = row.message
      const files = attachments.reduce((sum, { fileType }) => sum + (fileType.startsWith('image/') ? 240 : 68), 0)
      return files + (content === '' ? 26 : textHeight(content, width)) + (row.first ? 10 : 2)
    }
  }
}

function textHeight(text: string, width: number): number {
  const perLine = Math.max(20, Math.floor((Math.min(width * 0.72, 560) - 28) / 7.2))
  const lines = text.split('\n').reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / perLine)), 0)
  // The time is in the last line if there is room.
  return 22 * lines + 16
}
