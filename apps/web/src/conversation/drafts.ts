/** What was begun and not sent, by person and conversation: a tab may see several people. Lasts as long as the tab. */
const KEY = 'parley-draft'

export function draftOf(userId: string, conversationId: string): string {
  try {
    return sessionStorage.getItem(keyOf(userId, conversationId)) ?? ''
  } catch {
    return ''
  }
}

export function keepDraft(userId: string, conversationId: string, text: string): void {
  try {
    if (text === '') sessionStorage.removeItem(keyOf(userId, conversationId))
    else sessionStorage.setItem(keyOf(userId, conversationId), text)
  } catch {
    // Storage is full or forbidden: a draft lasts until another conversation is opened.
  }
}

function keyOf(userId: string, conversationId: string): string {
  return `${KEY}/${encodeURIComponent(userId)}/${conversationId}`
}
