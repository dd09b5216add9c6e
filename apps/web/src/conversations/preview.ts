import type { Conversation, Message } from '@parley/client'
import { withoutBackticks } from '@parley/protocol/code'
import { firstName } from '../people/names.ts'

const KINDS = { IMAGE: 'Photo', VIDEO: 'Video', AUDIO: 'Audio', FILE: 'File' } as const

/** Returns a message in a few words, for lists and announcements. */
export function wordsOf(message: Pick<Message, 'content' | 'type' | 'attachments'>): string {
  const { content, type, attachments } = message
  const words = withoutBackticks(content).text.replace(/\s+/g, ' ').trim()
  if (words !== '') return words
  const [file] = attachments
  if (type === 'FILE' && file !== undefined) return file.fileName
  return type === 'TEXT' || type === 'SYSTEM' ? '' : KINDS[type]
}

/** Returns the last message as the list shows it, and its sender if that should be shown. */
export function previewOf({ type, lastMessage }: Conversation, me: string): { who: string | null; words: string } {
  if (lastMessage === null) return { who: null, words: 'No messages yet' }
  const words = wordsOf(lastMessage)
  if (lastMessage.type === 'SYSTEM') return { who: null, words }
  if (lastMessage.senderId === me) return { who: 'You', words }
  return { who: type === 'GROUP' ? firstName(lastMessage.sender.fullName) : null, words }
}

/** Returns the conversations whose title or members' names contain all words of a text, ignoring case and accents. */
export function filterConversations(
  conversations: readonly Conversation[],
  text: string,
  titleOf: (conversation: Conversation) => string,
): readonly Conversation[] {
  const words = fold(text).split(/\s+/).filter(Boolean)
  if (words.length === 0) return conversations
  return conversations.filter((conversation) => {
    const names = conversation.participants.map(({ fullName }) => fullName)
    const where = fold([titleOf(conversation), ...names].join(' '))
    return words.every((word) => where.includes(word))
  })
}

function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLocaleLowerCase()
}
