import { useEffect, useRef } from 'react'
import { useLoudUnread } from './mutes.ts'
import { iconFor, titleFor } from './unread.ts'

/** Shows the number of unread, unmuted messages in the tab's title and icon and on the installed app's icon. Renders nothing. */
export function UnreadBadge() {
  const unread = useLoudUnread()
  const icon = useRef<Promise<string> | null>(null)

  useEffect(() => {
    document.title = titleFor(unread)
    // Not all browsers support badges, and those that do show them only for installed apps.
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

  // Reset everything when the person signs out.
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
