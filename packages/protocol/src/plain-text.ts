import { LIMITS } from './limits.ts'
import { isStorableText } from './primitives.ts'
import { type ClientEventName, type ClientEvents, clientEvents } from './requests.ts'
import { parse } from './validate.ts'

/** UUIDs in lower case, as Parley writes them; the schema handles other forms. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * Parses what a client sent with an event.
 *
 * Text messages, which are most of the traffic, are recognised without the schema at a tenth of its cost
 * (docs/PERFORMANCE.md). Anything that is invalid or merely unusual goes to the schema. A test ensures that both agree.
 * @throws {ParleyError} VALIDATION_FAILED, see {@link parse}
 */
export function parseEvent<Name extends ClientEventName>(name: Name, input: unknown): ClientEvents[Name] {
  const text = name === 'sendMessage' ? plainText(input) : undefined
  return (text ?? parse(clientEvents[name], input)) as ClientEvents[Name]
}

/** Parses a text message exactly as the schema would; returns undefined for anything it leaves to the schema. */
export function plainText(input: unknown): ClientEvents['sendMessage'] | undefined {
  if (typeof input !== 'object' || input === null) return undefined
  const { conversationId, content, type, clientMessageId, attachments } = input as Record<string, unknown>
  if (typeof conversationId !== 'string' || !UUID.test(conversationId)) return undefined
  if (!isText(content, LIMITS.contentLength)) return undefined
  if (type !== undefined && type !== 'TEXT') return undefined
  if (clientMessageId != null && !isText(clientMessageId, LIMITS.clientMessageIdLength)) return undefined
  if (attachments != null && !(Array.isArray(attachments) && attachments.length === 0)) return undefined
  return { conversationId, content, type, clientMessageId, attachments: [] }
}

function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && value.length <= max && value.trim() !== '' && isStorableText(value)
}
