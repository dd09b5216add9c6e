import { LIMITS } from './limits.ts'
import { isStorableText } from './primitives.ts'
import { type ClientEventName, type ClientEvents, clientEvents } from './requests.ts'
import { parse } from './validate.ts'

/** As Parley writes ids; in another letter case they are the schema's to read. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * Parses what a client sent with an event.
 *
 * A text message, which is most of what comes, is recognised without its schema, at a tenth of what that costs
 * (docs/PERFORMANCE.md); whatever is not quite that, wrong or only unusual, the schema is asked about. A test holds the two
 * together.
 * @throws {ParleyError} VALIDATION_FAILED, see {@link parse}
 */
export function parseEvent<Name extends ClientEventName>(name: Name, input: unknown): ClientEvents[Name] {
  const text = name === 'sendMessage' ? plainText(input) : undefined
  return (text ?? parse(clientEvents[name], input)) as ClientEvents[Name]
}

/** What the schema makes of a text message; undefined where that is for the schema to say. */
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
