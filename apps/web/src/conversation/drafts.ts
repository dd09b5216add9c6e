import { keep, kept } from '../app/kept.ts'
import type { ChosenFile } from './tray.tsx'

/** Prefix of the keys of unsent texts, by person and conversation: one tab may be used by several people. */
const KEY = 'parley-draft'

/** Returns this person's unsent text in a conversation; empty if there is none. */
export function draftOf(userId: string, conversationId: string): string {
  return kept('sessionStorage', keyOf(userId, conversationId)) ?? ''
}

/** Keeps an unsent text for as long as the tab is open. */
export function keepDraft(userId: string, conversationId: string, text: string): void {
  keep('sessionStorage', keyOf(userId, conversationId), text || null)
}

/** Chosen, unsent files. They last as long as the page. */
const chosen = new Map<string, readonly ChosenFile[]>()

/** Returns the files that this person has chosen in a conversation but not sent. */
export function filesOf(userId: string, conversationId: string): readonly ChosenFile[] {
  return chosen.get(keyOf(userId, conversationId)) ?? []
}

/** Replaces the chosen files. */
export function keepFiles(userId: string, conversationId: string, files: readonly ChosenFile[]): void {
  if (files.length === 0) chosen.delete(keyOf(userId, conversationId))
  else chosen.set(keyOf(userId, conversationId), files)
}

function keyOf(userId: string, conversationId: string): string {
  return `${KEY}/${encodeURIComponent(userId)}/${conversationId}`
}
