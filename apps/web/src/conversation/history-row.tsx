import type { Conversation } from '@parley/client'
import { memo } from 'react'
import { useNow } from '../conversations/use-now.ts'
import { dayOf } from '../text/dates.ts'
import { Bubble } from './bubble.tsx'
import styles from './history-row.module.css'
import type { Row } from './rows.ts'
import { PendingBubble, UploadBubble } from './unsent.tsx'

interface HistoryRowProps {
  row: Row
  me: string
  conversation: Conversation
  /** Whether it is highlighted because the person has just jumped to it. */
  flash: boolean
}

/** One row of a history. */
export const HistoryRow = memo(function HistoryRow({ row, me, conversation, flash }: HistoryRowProps) {
  switch (row.kind) {
    case 'day':
      return <Day date={row.date} />
    case 'unread':
      return (
        <div className={styles.unread}>
          <hr aria-label="New messages" />
          <span aria-hidden="true">New messages</span>
        </div>
      )
    case 'system':
      return (
        <p className={styles.system} dir="auto">
          {row.message.content}
        </p>
      )
    case 'message':
      return <Bubble {...row} me={me} conversation={conversation} flash={flash} />
    case 'pending':
      return <PendingBubble {...row} />
    case 'upload':
      return <UploadBubble {...row} />
  }
})

/** A divider between days. Updated each minute, because "Today" becomes "Yesterday" at midnight. */
function Day({ date }: { date: Date }) {
  const now = useNow(60_000)
  return (
    <div className={styles.day}>
      <time dateTime={date.toISOString()}>{dayOf(date, now)}</time>
    </div>
  )
}
