import { useSyncExternalStore } from 'react'

/** What the page shows; kept in the address's fragment, so that any static host will do. */
export interface Route {
  conversationId: string | null
  /** A message to go to. */
  seq: number | null
}

const NOWHERE: Route = { conversationId: null, seq: null }

/** The route in a fragment such as `#/c/<conversation>/m/<seq>`. What is none leads nowhere. */
export function parseRoute(hash: string): Route {
  const match = /^#\/c\/([\w-]{1,64})(?:\/m\/([1-9]\d{0,14}))?$/.exec(hash)
  if (match?.[1] === undefined) return NOWHERE
  return { conversationId: match[1], seq: match[2] === undefined ? null : Number(match[2]) }
}

/** The address of a conversation, or of a message in it. */
export function hrefOf(conversationId: string, seq?: number): string {
  return seq === undefined ? `#/c/${conversationId}` : `#/c/${conversationId}/m/${seq}`
}

/** Goes to one of this page's addresses, such as `#/c/<conversation>`, as a step that the back button undoes. */
export function navigate(href: string): void {
  location.hash = href
}

/** Back to the list alone if it is shown, without a step in the history that the back button would have to undo. */
export function leaveConversation(conversationId: string): void {
  if (snapshot().conversationId !== conversationId) return
  history.replaceState(null, '', '#/')
  dispatchEvent(new HashChangeEvent('hashchange'))
}

/** The message has been gone to: a later click on the same result goes there again. */
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

/** The route that is shown; renders anew when it changes. */
export function useRoute(): Route {
  return useSyncExternalStore(subscribe, snapshot)
}
