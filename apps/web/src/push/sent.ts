import { useCallback, useSyncExternalStore } from 'react'

let sent = false
const listeners = new Set<() => void>()

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Returns a function to call when the person has sent something; from then on notifications may be offered. */
export function useHasSent(): () => void {
  return useCallback(() => {
    if (sent) return
    sent = true
    for (const listener of [...listeners]) listener()
  }, [])
}

/** Returns whether something has been sent since the page was opened. */
export function useSentSomething(): boolean {
  return useSyncExternalStore(subscribe, () => sent)
}
