import { keep, kept } from '../app/kept.ts'
import type { ChosenFile } from './tray.tsx'

/** What was begun and not sent, by person and conversation: a tab may see several people. Lasts as long as the tab. */
const KEY = 'parley-draft'

/** What this person has begun to write there; empty where they have not. */
export function draftOf(userId: string, conversationId: string): string {
  return kept('sessionStorage', keyOf(userId, conversationId)) ?? ''
}

/** Keeps it for as long as the tab is there. */
export function keepDraft(userId: string, conversationId: string, text: string): void {
  keep('sessionStorage', keyOf(userId, conversationId), text || null)
}

/** Files that were chosen and not sent. They last as long as the page. */
const chosen = new Map<string, readonly ChosenFile[]>()

/** Files that this person has chosen there and not sent yet. */
export function filesOf(userId: string, conversationId: string): readonly ChosenFile[] {
  return chosen.get(keyOf(userId, conversationId)) ?? []
}

/** Puts these in place of those chosen so far. */
export function keepFiles(userId: string, conversationId: string, files: readonly ChosenFile[]): void {
  if (files.length === 0) chosen.delete(keyOf(userId, conversationId))
  else chosen.set(keyOf(userId, conversationId), files)
}

function keyOf(userId: string, conversationId: string): string {
  return `${KEY}/${encodeURIComponent(userId)}/${conversationId}`
}
