import type { Conversation, Participant } from '@parley/client'

/** Returns the other person in a direct conversation. */
export function partnerOf(
  conversation: Pick<Conversation, 'type' | 'participants'>,
  me: string,
): Participant | undefined {
  return conversation.type === 'DIRECT' ? conversation.participants.find(({ id }) => id !== me) : undefined
}

type Titled = Pick<Conversation, 'type' | 'name' | 'participants' | 'participantCount'>

/** Returns a conversation's title: the other person's name, its own name, or the names of the first few members. */
export function titleOf(conversation: Titled, me: string): string {
  const partner = partnerOf(conversation, me)
  if (partner !== undefined) return partner.fullName
  if (conversation.name !== null) return conversation.name
  const others = conversation.participants.filter(({ id }) => id !== me)
  if (others.length === 0) return conversation.type === 'DIRECT' ? 'Deleted person' : 'Just you'
  const named = others.slice(0, 3).map(({ fullName }) => firstName(fullName))
  const more = conversation.participantCount - 1 - named.length
  return more > 0 ? `${named.join(', ')} +${more}` : named.join(', ')
}

/** Returns the name up to its first space. */
export function firstName(fullName: string): string {
  return fullName.trim().split(/\s+/)[0] ?? fullName
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Returns one or two initials for somebody without a picture. */
export function initialsOf(name: string): string {
  const words = name
    .trim()
    .split(/\s+/)
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words.slice(0, 1)
  const letters = chosen.map((word) => [...segmenter.segment(word ?? '')][0]?.segment ?? '')
  return letters.join('').toLocaleUpperCase() || '?'
}

export const TONES = 12

/** Returns one of {@link TONES} colours, always the same for an id. */
export function toneOf(id: string): number {
  // FNV-1a: spreads ids that differ in a single letter.
  let hash = 0x811c9dc5
  for (const character of id) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return ((hash ^ (hash >>> 15)) >>> 0) % TONES
}

/** Returns "Ahmed", "Ahmed and Fatima" or "Ahmed, Fatima and 3 others". */
export function listNames(names: readonly string[], shown = 2): string {
  const [first = '', second = ''] = names
  if (names.length <= 1) return first
  if (names.length === 2) return `${first} and ${second}`
  const others = names.length - shown
  return `${names.slice(0, shown).join(', ')} and ${others} other${others === 1 ? '' : 's'}`
}
