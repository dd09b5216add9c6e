import { useEffect, useRef } from 'react'

/** Scrolls to the end when the person sends something, wherever they were reading. @param count of unsent messages */
export function useFollowingOwn(count: number, enabled: boolean, goToNewest: () => Promise<void>): void {
  const before = useRef(count)
  const go = useRef(goToNewest)
  go.current = goToNewest
  useEffect(() => {
    if (count > before.current && enabled) go.current().catch(() => undefined)
    before.current = count
  }, [count, enabled])
}
