import { useSyncExternalStore } from 'react'

/** What the page shows. Kept in the URL's fragment, so that any static host works. */
export interface Route {
  conversationId: string | null
  /** The message to scroll to, if any. */
  seq: number | null
}

const NOWHERE: Route = { conversationId: null, seq: null }

/** Parses a fragment such as `#/c/<conversation>/m/<seq>`. An invalid one means no conversation. */
export function parseRoute(hash: string): Route {
  const match = /^#\/c\/([\w-]{1,64})(?:\/m\/([1-9]\d{0,14}))?$/.exec(hash)
  if (match?.[1] === undefined) return NOWHERE
  return { conversationId: match[1], seq: match[2] === undefined ? null : Number(match[2]) }
}

/** Returns the link to a conversation, or to a message in it. */
export function hrefOf(conversationId: string, seq?: number): string {
  return seq === undefined ? `#/c/${conversationId}` : `#/c/${conversationId}/m/${seq}`
}

/** Navigates to a fragment such as `#/c/<conversation>`, with a history entry for the back button. */
export function navigate(href: string): void {
  location.hash = href
}

/** Goes back to the list if this conversation is shown, without adding a history entry. */
export function leaveConversation(conversationId: string): void {
  if (snapshot().conversationId !== conversationId) return
  history.replaceState(null, '', '#/')
  dispatchEvent(new HashChangeEvent('hashchange'))
}

/** Removes the message from the route once it has been shown, so that another click on the same search result works. */
export function forgetTarget(conversationId: string): void {
  history.replaceState(null, '', hrefOf(conversationId))
  dispatchEvent(new HashChangeEvent('hashchange'))
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener)
  return () => removeEventListener('hashchange', listener)
}

let last = { hash: '', route: NOWHERE }

function snapshot(): Route {
  if (location.hash !== last.hash) last = { hash: location.hash, route: parseRoute(location.hash) }
  return last.route
}

/** Returns the current route; re-renders when it changes. */
export function useRoute(): Route {
  return useSyncExternalStore(subscribe, snapshot)
}
