import type { ErrorCode } from '@parley/protocol'
import { attachmentOperations } from './attachments.ts'
import { conversationOperations } from './conversations.ts'
import { messageOperations } from './messages.ts'
import { peopleOperations } from './people.ts'
import { pushOperations } from './push.ts'
import type { Operation } from './types.ts'

export type { Access, Method, Operation, OperationAnswer } from './types.ts'

/** Every request of the HTTP API. A test compares this list with the app's routes. */
export const operations: readonly Operation[] = [
  ...conversationOperations,
  ...messageOperations,
  ...attachmentOperations,
  ...peopleOperations,
  ...pushOperations,
]

const ALWAYS: readonly ErrorCode[] = ['VALIDATION_FAILED', 'INTERNAL', 'UNAVAILABLE']
const WITH_TOKEN: readonly ErrorCode[] = [
  'TOKEN_MISSING',
  'TOKEN_INVALID',
  'TOKEN_EXPIRED',
  'FORBIDDEN',
  // The person for whom a service acts.
  'USER_NOT_FOUND',
  'RATE_LIMITED',
]
const WITH_BODY: readonly ErrorCode[] = ['MALFORMED_JSON', 'UNSUPPORTED_MEDIA_TYPE', 'PAYLOAD_TOO_LARGE']

/** Returns every error code of an operation. */
export function errorsOf({ access, method, errors }: Operation): ErrorCode[] {
  return [
    ...new Set([
      ...ALWAYS,
      ...(access === 'anybody' ? [] : WITH_TOKEN),
      ...(method === 'get' || method === 'head' ? [] : WITH_BODY),
      ...errors,
    ]),
  ]
}
