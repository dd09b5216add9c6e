import { useEffect, useRef } from 'react'

/** What one sends oneself is seen, wherever one was reading. @param count of what is not stored yet */
export function useFollowingOwn(count: number, enabled: boolean, goToNewest: () => Promise<void>): void {
  const before = useRef(count)
  const go = useRef(goToNewest)
  go.current = goToNewest
  useEffect(() => {
    if (count > before.current && enabled) go.current().catch(() => undefined)
    before.current = count
  }, [count, enabled])
}
