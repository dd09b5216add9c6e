import { useEffect, useRef } from 'react'
import { useLoudUnread } from './mutes.ts'
import { iconFor, titleFor } from './unread.ts'

/**
 * Shows what is unread, and not muted, in the tab's title, on its icon, and on the installed application's. Renders nothing.
 */
export function UnreadBadge() {
  const unread = useLoudUnread()
  const icon = useRef<Promise<string> | null>(null)

  useEffect(() => {
    document.title = titleFor(unread)
    // Not all browsers have badges, and those that do only show them on installed pages.
    const badge = unread > 0 ? navigator.setAppBadge?.(unread) : navigator.clearAppBadge?.()
    badge?.catch(() => undefined)
  }, [unread])

  const marked = unread > 0
  useEffect(() => {
    if (!marked && icon.current === null) return
    let current = true
    icon.current ??= fetch('./icon.svg').then((answer) => answer.text())
    icon.current.then(
      (svg) => current && setIcon(iconFor(svg, marked ? 1 : 0)),
      () => undefined,
    )
    return () => {
      current = false
    }
  }, [marked])

  // Nobody is signed in any more.
  useEffect(
    () => () => {
      document.title = titleFor(0)
      setIcon('./icon.svg')
      navigator.clearAppBadge?.().catch(() => undefined)
    },
    [],
  )
  return null
}

function setIcon(href: string): void {
  document.querySelector<HTMLLinkElement>('link[rel="icon"]')?.setAttribute('href', href)
}
