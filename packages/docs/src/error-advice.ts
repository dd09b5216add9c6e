import type { ErrorCode } from '@parley/protocol'

/** What a code means and what a client does about it. The type wants every code here, and no other. */
export const ERROR_ADVICE: Readonly<Record<ErrorCode, { meaning: string; advice: string }>> = {
  VALIDATION_FAILED: {
    meaning: 'A field is missing or wrong; `details` lists each as `{path, message}`, ten at most.',
    advice: 'Mend the request. The same one fails again.',
  },
  MALFORMED_JSON: {
    meaning: 'The body does not parse as JSON, or has the keys `__proto__` or `constructor.prototype`.',
    advice: 'Mend the client.',
  },
  MALFORMED_REQUEST: {
    meaning:
      'What came on the connection does not parse as HTTP/1.1, and the connection is closed; or a request has no `Host`, or two.',
    advice: 'Mend the client, or whatever is between it and the server.',
  },
  UNKNOWN_EVENT: {
    meaning: 'A socket event of a name that there is not.',
    advice: 'Mend the client, or do without what an older server does not know.',
  },
  UNKNOWN_USERS: {
    meaning: 'Nobody has these ids; `details.userIds` lists them.',
    advice: 'Have your server write the people first (`POST /api/users`), or leave them out.',
  },
  NOT_A_GROUP: {
    meaning: 'A DIRECT conversation has no name, and nobody joins or leaves it.',
    advice: 'Do not offer this for DIRECT conversations.',
  },
  ATTACHMENT_TYPE_MISMATCH: {
    meaning: 'An IMAGE, VIDEO or AUDIO message names a file that is, by its bytes, something else.',
    advice: 'Leave `type` out, or send it as FILE.',
  },
  UPLOAD_INCOMPLETE: {
    meaning: 'A form broke off, or an upload was completed or named before all of its parts were there.',
    advice: 'Send what is missing, or begin the upload again.',
  },
  TOKEN_MISSING: { meaning: 'There is no token.', advice: 'Send one: `Authorization: Bearer …`, or `auth: {token}`.' },
  TOKEN_INVALID: {
    meaning: 'The token’s signature, issuer, audience or claims are not accepted, or it was revoked.',
    advice: 'Get a new token of your product; with none to be had, have the person sign in again.',
  },
  TOKEN_EXPIRED: {
    meaning: 'The token is past its `exp`.',
    advice: 'Get a new one and repeat the request; on an open socket hand it in with `renewToken` before that.',
  },
  FORBIDDEN: {
    meaning: 'The token is good and does not allow this.',
    advice: 'Do not repeat it. Show that it is not allowed.',
  },
  PUSH_DISABLED: {
    meaning: 'The installation has no VAPID keys.',
    advice: 'Do not offer notifications.',
  },
  NOT_FOUND: { meaning: 'No such address, method or subscription.', advice: 'Mend the client, or take it as gone.' },
  CONVERSATION_NOT_FOUND: {
    meaning: 'There is no such conversation, or one is not in it: the answer is the same.',
    advice: 'Drop it from what is shown.',
  },
  MESSAGE_NOT_FOUND: {
    meaning: 'The conversation has no such message.',
    advice: 'Drop it from what is shown, or sync.',
  },
  ATTACHMENT_NOT_FOUND: {
    meaning: 'There is no such attachment, or none that one may see or use here.',
    advice: 'Upload the file again, or drop it from what is shown.',
  },
  USER_NOT_FOUND: {
    meaning: 'There is no such person, or they are not in the conversation; also the person named by `x-act-as`.',
    advice: 'Look at the list of people anew; a server writes the person first.',
  },
  REQUEST_TIMEOUT: {
    meaning: 'The head of a request took longer than half a minute, or all of it a quarter of an hour.',
    advice: 'Try again, on a line that is not as slow.',
  },
  GROUP_FULL: { meaning: 'A group has a thousand people at most.', advice: 'Take somebody out first.' },
  PAYLOAD_TOO_LARGE: {
    meaning: 'A JSON body past 256 KiB.',
    advice: 'Send less: shorter, or in several requests.',
  },
  FILE_TOO_LARGE: {
    meaning: 'The file is larger than this installation takes in this way.',
    advice: 'Put larger files straight into the store (`POST …/attachments`), or say how large a file may be.',
  },
  FILE_TYPE_NOT_ALLOWED: {
    meaning: 'This installation does not take files of this type; the type is found out from the bytes.',
    advice: 'Say which types may be sent.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    meaning: 'The body is neither JSON nor, where files may be sent, a form.',
    advice: 'Send `content-type: application/json`.',
  },
  RATE_LIMITED: {
    meaning: 'More requests or events than the limits allow.',
    advice: 'Wait for `retryAfterMs`, then go on more slowly.',
  },
  HEADERS_TOO_LARGE: {
    meaning: 'The address and the headers have more than 16 kB together.',
    advice: 'Send less in them: a token with fewer claims, say.',
  },
  INTERNAL: {
    meaning: 'A fault of the server, in its log under the request’s id.',
    advice: 'Try again a few times, with back-off; a message under the same `clientMessageId`.',
  },
  OVERLOADED: {
    meaning: 'A queue of the server is full: it takes nothing more rather than answer late.',
    advice: 'Wait for `retryAfterMs` and repeat with back-off, a message under the same `clientMessageId`.',
  },
  STORAGE_UNAVAILABLE: {
    meaning: 'The store for files does not answer. Messages without files go on.',
    advice: 'Wait for `retryAfterMs` and repeat with back-off.',
  },
  UNAVAILABLE: {
    meaning:
      'The database, Redis or the issuer’s key set is away, or the pod is stopping. A send may have been stored.',
    advice: 'Wait for `retryAfterMs` and repeat with back-off, a message under the same `clientMessageId`.',
  },
}
