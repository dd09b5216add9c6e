import { useSyncExternalStore } from 'react'

function subscribe(listener: () => void): () => void {
  addEventListener('online', listener)
  addEventListener('offline', listener)
  return () => {
    removeEventListener('online', listener)
    removeEventListener('offline', listener)
  }
}

/** Returns whether the browser believes that it is online. */
export function useNetwork(): boolean {
  return useSyncExternalStore(subscribe, () => navigator.onLine)
}
