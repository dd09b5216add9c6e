import type { ParleyClient } from '@parley/client'
import { useEffect, useSyncExternalStore } from 'react'
import { useChat, useStore } from './context.ts'

type Mutes = ReadonlyMap<string, Date>

/** The muted conversations, fetched again on each connection. */
class MuteStore {
  #mutes: Mutes = new Map()
  readonly #listeners = new Set<() => void>()

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly getSnapshot = (): Mutes => this.#mutes

  set(mutes: Mutes): void {
    this.#mutes = mutes
    for (const listener of [...this.#listeners]) listener()
  }
}

const stores = new WeakMap<ParleyClient, MuteStore>()

function storeOf(client: ParleyClient): MuteStore {
  let store = stores.get(client)
  if (store === undefined) {
    const made = new MuteStore()
    const load = () =>
      client.mutes().then(
        (mutes) => made.set(mutes),
        // Show the list without them; the next connection tries again.
        () => undefined,
      )
    client.on('state', (state) => state === 'live' && void load())
    if (client.state.getSnapshot() === 'live') void load()
    stores.set(client, made)
    store = made
  }
  return store
}

/** Stands for "until unmuted". */
const FOREVER = new Date('9999-12-31T00:00:00Z')

/** Mutes a conversation for some hours or for good (`null`), or unmutes it (0). */
export async function muteFor(client: ParleyClient, conversationId: string, hours: number | null): Promise<void> {
  const until = hours === null ? FOREVER : new Date(Date.now() + hours * 3_600_000)
  await client.mute(conversationId, hours === 0 ? null : until)
  const mutes = new Map(storeOf(client).getSnapshot())
  if (hours === 0) mutes.delete(conversationId)
  else mutes.set(conversationId, until)
  storeOf(client).set(mutes)
}

/** Returns the number of unread messages in conversations that are not muted. */
export function useLoudUnread(): number {
  const { client } = useChat()
  const store = storeOf(client)
  const mutes = useSyncExternalStore(store.subscribe, store.getSnapshot)
  const now = Date.now()
  const loud = useStore(client.conversations).filter(({ id }) => (mutes.get(id)?.getTime() ?? 0) <= now)
  return loud.reduce((sum, { unreadCount }) => sum + unreadCount, 0)
}

/** Returns whether a conversation is muted now. */
export function useMuted(conversationId: string): boolean {
  const { client } = useChat()
  const store = storeOf(client)
  const until = useSyncExternalStore(store.subscribe, () => store.getSnapshot().get(conversationId))
  // Mutes expire; timers cannot run for longer than 24 days.
  useEffect(() => {
    const left = (until?.getTime() ?? 0) - Date.now()
    if (left <= 0 || left > 2 ** 31 - 1) return
    const timer = setTimeout(() => {
      const mutes = new Map(store.getSnapshot())
      mutes.delete(conversationId)
      store.set(mutes)
    }, left)
    return () => clearTimeout(timer)
  }, [conversationId, until, store])
  return until !== undefined && until.getTime() > Date.now()
}
