import type { Conversation } from '@parley/client'
import type { Virtualizer } from '@tanstack/react-virtual'
import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { forgetTarget } from '../app/route.ts'
import { useChat } from '../chat/context.ts'
import type { Row } from './rows.ts'

/** With more unread messages than this, the first one is not on the newest page, so the page around it is loaded. */
const ON_NEWEST_PAGE = 40
/** Pause before paging starts, in milliseconds: scrolling to a row takes several steps, and new pages would shift its index. */
const SETTLE_MS = 300
/** How long a message is highlighted after jumping to it, in milliseconds. */
const FLASH_MS = 2_000

interface OpeningOptions {
  conversation: Conversation
  rows: readonly Row[]
  virtualizer: Virtualizer<HTMLDivElement, Element>
  targetSeq: number | null
  unreadAfter: number | null
  status: 'idle' | 'loading' | 'ready'
  hasNewer: boolean
}

interface Opening {
  opened: boolean
  settled: boolean
  flash: number | null
}

/**
 * Scrolls the history to where it opens: to the requested message, else to the first unread one, else to the end, even if the
 * person had scrolled far back when they left it.
 * @returns `opened` once it is there; `settled` when pages may be loaded around it; `flash`, the seq of the highlighted message
 */
export function useOpening(options: OpeningOptions): Opening {
  const { conversation, rows, virtualizer, targetSeq, unreadAfter, status, hasNewer } = options
  const { client } = useChat()
  const { id } = conversation
  const [opened, setOpened] = useState(false)
  const [settled, setSettled] = useState(false)
  const [flash, setFlash] = useState<number | null>(null)
  const wanted = useRef<number | null>(null)
  /** What must be loaded first: the first unread message or the newest page. Null if it is held or loads by itself. */
  const [start] = useState((): number | 'newest' | null => {
    if (unreadAfter !== null && conversation.unreadCount > ON_NEWEST_PAGE) return unreadAfter + 1
    return hasNewer ? 'newest' : null
  })
  const begun = useRef(false)
  const [loading, setLoading] = useState(targetSeq !== null || start !== null)

  // On mount, and when a search result is clicked.
  useEffect(() => {
    const place = targetSeq ?? (begun.current ? null : start)
    if (place === null) return
    let current = true
    setLoading(true)
    const shown = place === 'newest' ? client.open(id) : client.openAt(id, place)
    shown
      .catch(() => undefined)
      .then(() => {
        if (!current) return
        begun.current = true
        wanted.current = targetSeq
        setLoading(false)
        if (targetSeq !== null) setOpened(false)
      })
    return () => {
      current = false
    }
  }, [client, id, targetSeq, start])

  const isReady = status === 'ready' && !loading
  useLayoutEffect(() => {
    if (opened || !isReady) return
    const target = wanted.current
    const at = target === null ? -1 : rows.findIndex((row) => 'message' in row && row.message.seq === target)
    const line = target === null ? rows.findIndex(({ kind }) => kind === 'unread') : -1
    if (at >= 0) virtualizer.scrollToIndex(at, { align: 'center' })
    else if (line >= 0) virtualizer.scrollToIndex(line, { align: 'start' })
    else virtualizer.scrollToEnd()
    setOpened(true)
    if (target === null) return
    wanted.current = null
    setFlash(target)
  }, [opened, isReady, rows, virtualizer])

  useEffect(() => {
    if (flash === null) return
    if (targetSeq !== null) forgetTarget(id)
    const timer = setTimeout(() => setFlash(null), FLASH_MS)
    return () => clearTimeout(timer)
  }, [flash, id, targetSeq])

  useEffect(() => {
    setSettled(false)
    if (!opened) return
    const timer = setTimeout(() => setSettled(true), SETTLE_MS)
    return () => clearTimeout(timer)
  }, [opened])

  return { opened, settled: opened && settled, flash }
}
