/** Parts of the page that are not needed for the first view. */
export const parts = {
  conversation: () => import('../conversation/conversation-view.tsx'),
  settings: () => import('../dialogs/settings-menu.tsx'),
  push: () => import('../push/device-push.tsx'),
  newConversation: () => import('../dialogs/new-conversation.tsx'),
  details: () => import('../dialogs/conversation-details.tsx'),
  search: () => import('../search/search-messages.tsx'),
  viewer: () => import('../viewer/viewer.tsx'),
}

/**
 * Loads them all early: later there may be no network, or a newer build on the server, and a part that cannot be loaded breaks
 * the page.
 */
export function loadParts(): void {
  for (const load of Object.values(parts)) load().catch(() => undefined)
}
