import { useCallback, useSyncExternalStore } from 'react'

let sent = false
const listeners = new Set<() => void>()

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Call it when the person has sent something: from then on they may be offered notifications. */
export function useHasSent(): () => void {
  return useCallback(() => {
    if (sent) return
    sent = true
    for (const listener of [...listeners]) listener()
  }, [])
}

/** Whether something has been sent since the page was opened. */
export function useSentSomething(): boolean {
  return useSyncExternalStore(subscribe, () => sent)
}
