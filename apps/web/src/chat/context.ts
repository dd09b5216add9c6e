import type { ParleyClient, Store } from '@parley/client'
import { createContext, use, useSyncExternalStore } from 'react'
import type { DemoPerson } from '../session/demo.ts'
import type { UploadQueue } from '../uploads/upload-queue.ts'

export interface ChatContextValue {
  client: ParleyClient
  uploads: UploadQueue
  person: DemoPerson | null
  signOut: () => Promise<void>
}

export const ChatContext = createContext<ChatContextValue | null>(null)

/**
 * Returns the chat's context.
 * @throws outside of a chat
 */
export function useChat(): ChatContextValue {
  const value = use(ChatContext)
  if (value === null) throw new Error('This component must be inside a chat.')
  return value
}

/** Returns a store's value; re-renders when it changes. */
export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.getSnapshot)
}
