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

/** The client and what goes with it; only inside a chat. */
export function useChat(): ChatContextValue {
  const value = use(ChatContext)
  if (value === null) throw new Error('There is no chat around this component.')
  return value
}

/** A store's value, kept current. */
export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.getSnapshot)
}
