import type { Conversation } from '@parley/client'
import { useVirtualizer } from '@tanstack/react-virtual'
import { ArrowDown } from 'lucide-react'
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import { useChat, useStore } from '../chat/context.ts'
import { dayOf } from '../text/dates.ts'
import { countOf } from '../text/sizes.ts'
import { Announcer } from './announcer.tsx'
import styles from './history.module.css'
import { HistoryRow } from './history-row.tsx'
import { buildRows, estimateHeight, type Row } from './rows.ts'
import { useFollowingOwn } from './use-following-own.ts'
import { useMarking } from './use-marking.ts'
import { useOpening } from './use-opening.ts'
import { usePaging } from './use-paging.ts'
import { useStayAtEnd } from './use-stay-at-end.ts'
import { useUnreadLine } from './use-unread-line.ts'
import { useVisible } from './use-visible.ts'

/** Within this distance of the end, the view follows new messages. Pixels. */
const END_PX = 80
const TOP_PX = 56
const OVERSCAN = 10

interface HistoryProps {
  conversation: Conversation
  me: string
  targetSeq: number | null
}

/**
 * A conversation's messages. Only visible ones are in the DOM; pages are loaded at both ends while scrolling, without moving
 * what the person is reading.
 */
export function History({ conversation, me, targetSeq }: HistoryProps) {
  const { client, uploads } = useChat()
  const { id } = conversation
  const { messages, pending, hasOlder, hasNewer, status } = useStore(client.messages(id))
  const files = useSyncExternalStore(uploads.subscribe, () => uploads.of(id))
  const visible = useVisible()
  const state = useStore(client.state)
  const unreadAfter = useUnreadLine(conversation, visible, state === 'live')
  const rows = useMemo(
    () => buildRows({ messages, pending, uploads: files, me, hasOlder, hasNewer, unreadAfter }),
    [messages, pending, files, me, hasOlder, hasNewer, unreadAfter],
  )
  const scroller = useRef<HTMLDivElement>(null)
  // Scrollable elements must be focusable by keyboard; not all browsers make them so.
  useEffect(() => {
    if (scroller.current !== null) scroller.current.tabIndex = 0
  }, [])
  const getItemKey = useCallback((index: number) => rows[index]?.key ?? index, [rows])
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimateOf(rows[index], scroller.current),
    getItemKey,
    overscan: OVERSCAN,
    paddingStart: TOP_PX,
    paddingEnd: 8,
    anchorTo: 'end',
    followOnAppend: !hasNewer,
    scrollEndThreshold: END_PX,
  })
  useStayAtEnd(
    scroller,
    END_PX,
    useCallback(() => virtualizer.scrollToEnd(), [virtualizer]),
  )
  const items = virtualizer.getVirtualItems()
  const { opened, settled, flash } = useOpening({
    conversation,
    rows,
    virtualizer,
    targetSeq,
    unreadAfter,
    status,
    hasNewer,
  })
  usePaging({ conversationId: id, items, count: rows.length, hasOlder, hasNewer, enabled: settled })

  const range = virtualizer.range
  useMarking({
    conversationId: id,
    rows,
    messages,
    lastVisible: range?.endIndex ?? -1,
    // Until the rows have been measured, which of them are visible is a guess. While syncing, the line before unread messages
    // must be placed first.
    enabled: settled && visible && state !== 'syncing',
  })

  const atEnd = !hasNewer && virtualizer.isAtEnd(END_PX)
  const goToNewest = async () => {
    if (hasNewer) await client.open(id)
    requestAnimationFrame(() => virtualizer.scrollToEnd())
  }

  useFollowingOwn(pending.length + files.length, opened, goToNewest)

  const day = floatingDay(rows, range?.startIndex)
  return (
    <div className={styles.place}>
      {day !== null && opened && (
        <div className={styles.floating} aria-hidden="true" data-shown={virtualizer.isScrolling}>
          <span>{dayOf(day)}</span>
        </div>
      )}
      <div ref={scroller} className={styles.scroller} role="log" aria-label="Messages" aria-live="off">
        <div className={styles.content} style={{ height: virtualizer.getTotalSize() }}>
          <p className={styles.top}>
            {hasOlder
              ? 'Loading earlier messages…'
              : status === 'ready'
                ? 'This is the start of the conversation.'
                : ''}
          </p>
          {items.map((item) => {
            const row = rows[item.index]
            if (row === undefined) return null
            return (
              <div
                key={item.key}
                ref={virtualizer.measureElement}
                data-index={item.index}
                className={styles.row}
                style={{ transform: `translateY(${item.start}px)` }}
              >
                <HistoryRow row={row} me={me} conversation={conversation} flash={isTarget(row, flash)} />
              </div>
            )
          })}
        </div>
      </div>
      {opened && !atEnd && rows.length > 0 && (
        <button
          type="button"
          className={styles.jump}
          aria-label="Jump to newest"
          onClick={() => void goToNewest().catch(() => undefined)}
        >
          <ArrowDown aria-hidden="true" />
          {conversation.unreadCount > 0 && <span>{countOf(conversation.unreadCount)}</span>}
        </button>
      )}
      <Announcer conversationId={id} me={me} />
    </div>
  )
}

function estimateOf(row: Row | undefined, scroller: HTMLElement | null): number {
  return row === undefined ? 40 : estimateHeight(row, scroller?.clientWidth ?? 600)
}

function isTarget(row: Row, seq: number | null): boolean {
  return seq !== null && 'message' in row && row.message.seq === seq
}

/** Returns the day of the topmost visible row. */
function floatingDay(rows: readonly Row[], index: number | undefined): Date | null {
  const row = index === undefined ? undefined : rows[index]
  if (row === undefined) return null
  return 'message' in row ? new Date(row.message.createdAt) : row.kind === 'day' ? row.date : null
}
