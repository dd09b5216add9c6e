import { createHash } from 'node:crypto'
import type { ConversationType, MessageType, PushPayload } from '@parley/protocol'
import { withoutBackticks } from '@parley/protocol/code'

/**
 * Largest payload in bytes: push services accept 4096 in total (RFC 8030), of which encryption takes 103 (RFC 8188: 86 for the
 * header, 16 for the tag, 1 for padding).
 */
export const PAYLOAD_BYTES = 3_993
/** Largest payload, in bytes, of the second try at a push service that found the first one too large. */
export const SHORT_PAYLOAD_BYTES = 1_024
const NAME_LENGTH = 100
const COUNTED = 100
const HIDDEN = 'New message'

/** The parts of a message that a notification shows. */
export interface NewsMessage {
  id: string
  conversationId: string
  seq: number
  senderName: string
  senderPhoto: string | null
  content: string
  type: MessageType
  fileNames: string[]
}

/** The content of a notification. */
export interface News {
  message: NewsMessage
  /** How many messages it stands for, of which `message` is the newest; counted up to 100. */
  count: number
  conversation: { type: ConversationType; name: string | null }
  showContent: boolean
}

/** Builds the notification of one conversation. */
export function newsPayload({ message, count, conversation, showContent }: News): PushPayload {
  const { id: messageId, conversationId, seq, senderName, senderPhoto } = message
  const body = count > 1 ? `${counted(count)} new messages` : showContent ? bodyOf(message) : HIDDEN
  const title = count > 1 && conversation.type === 'GROUP' ? (conversation.name ?? senderName) : senderName
  return {
    kind: 'show',
    title: cut(title, NAME_LENGTH),
    body,
    tag: conversationId,
    ...(senderPhoto === null ? {} : { icon: senderPhoto }),
    data: { type: 'NEW_MESSAGE', conversationId, messageId, seq, count },
  }
}

/** Builds one notification for several conversations; clicking it opens the newest message's conversation. */
export function digestPayload(
  newest: Pick<NewsMessage, 'id' | 'conversationId'>,
  counts: readonly number[],
): PushPayload {
  const count = counts.reduce((sum, one) => sum + one, 0)
  const full = counts.some((one) => one >= COUNTED) ? '+' : ''
  return {
    kind: 'show',
    title: `${count}${full} new messages`,
    body: `In ${counts.length} conversations`,
    tag: DIGEST_TAG,
    data: {
      type: 'DIGEST',
      conversationId: newest.conversationId,
      messageId: newest.id,
      count,
      conversations: counts.length,
    },
  }
}

export const DIGEST_TAG = 'digest'

/** Builds the payload that closes a conversation's notification, or the digest, on a device. */
export function closePayload(conversationId: string, tag: string): PushPayload {
  return { kind: 'close', tag, data: { type: 'CLOSE', conversationId } }
}

/** Returns the Topic header for a tag: a hash, which tells the push service nothing about the conversation; 32 characters. */
export function topicOf(tag: string): string {
  return createHash('sha256').update(`parley push ${tag}`).digest().subarray(0, 24).toString('base64url')
}

/** Encodes a payload as JSON of at most `maxBytes`, dropping the icon and truncating the body if necessary. */
export function encodePayload(payload: PushPayload, maxBytes = PAYLOAD_BYTES): string {
  const whole = JSON.stringify(payload)
  if (Buffer.byteLength(whole) <= maxBytes || payload.kind === 'close') return whole
  const { icon: _icon, ...small } = payload
  let [fits, fitsNot] = [0, payload.body.length]
  while (fitsNot - fits > 1) {
    const middle = Math.floor((fits + fitsNot) / 2)
    const text = JSON.stringify({ ...small, body: cut(payload.body, middle) })
    if (Buffer.byteLength(text) <= maxBytes) fits = middle
    else fitsNot = middle
  }
  return JSON.stringify({ ...small, body: cut(payload.body, fits) })
}

const WORDS = { IMAGE: '📷 Photo', VIDEO: '🎬 Video', AUDIO: '🎤 Audio', FILE: '📎 File' } as const

/** Returns the text, without the backticks of code, as in the chat's lists; for a message of files only, their kind or name. */
function bodyOf({ content, type, fileNames }: NewsMessage): string {
  if (content.trim() !== '') return withoutBackticks(content).text
  const kind = type === 'TEXT' || type === 'SYSTEM' ? 'FILE' : type
  const [first, ...others] = fileNames
  const name = first !== undefined && kind === 'FILE' ? `📎 ${cut(first, NAME_LENGTH)}` : WORDS[kind]
  return others.length === 0 ? name : `${name} (+${others.length})`
}

function counted(count: number): string {
  return count >= COUNTED ? `${COUNTED - 1}+` : String(count)
}

/** Truncates a text to `max` UTF-16 code units, with an ellipsis, without splitting a surrogate pair. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text
  const kept = text.slice(0, Math.max(0, max - 1))
  return `${kept.isWellFormed() ? kept : kept.slice(0, -1)}…`
}
