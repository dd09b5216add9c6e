/** What was begun and not sent, for each conversation; lasts as long as the tab. */
const KEY = 'parley-draft'

export function draftOf(conversationId: string): string {
  try {
    return sessionStorage.getItem(`${KEY}/${conversationId}`) ?? ''
  } catch {
    return ''
  }
}

export function keepDraft(conversationId: string, text: string): void {
  try {
    if (text === '') sessionStorage.removeItem(`${KEY}/${conversationId}`)
    else sessionStorage.setItem(`${KEY}/${conversationId}`, text)
  } catch {
    // Storage is full or forbidden: a draft lasts until another conversation is opened.
  }
}
