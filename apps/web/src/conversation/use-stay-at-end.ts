import { type RefObject, useEffect } from 'react'

/**
 * Keeps a history scrolled to its end when its height changes: the keyboard opens, the composer grows, a bar appears.
 * @param near pixels from the end that count as the end
 */
export function useStayAtEnd(scroller: RefObject<HTMLElement | null>, near: number, goToEnd: () => void): void {
  useEffect(() => {
    const { current } = scroller
    if (current === null) return
    let height = current.clientHeight
    const observer = new ResizeObserver(() => {
      const wasNear = current.scrollHeight - current.scrollTop - height <= near
      const changed = current.clientHeight !== height
      height = current.clientHeight
      if (changed && wasNear) goToEnd()
    })
    observer.observe(current)
    return () => observer.disconnect()
  }, [scroller, near, goToEnd])
}
