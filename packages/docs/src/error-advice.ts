import type { ErrorCode } from '@parley/protocol'

/** What each code means and what a client should do. The type requires an entry for every code. */
export const ERROR_ADVICE: Readonly<Record<ErrorCode, { meaning: string; advice: string }>> = {
  VALIDATION_FAILED: {
    meaning: 'A field is missing or invalid; `details` lists up to ten as `{path, message}`.',
    advice: 'Fix the request. The same one would fail again.',
  },
  MALFORMED_JSON: {
    meaning: 'The body does not parse as JSON, or has the keys `__proto__` or `constructor.prototype`.',
    advice: 'Fix the client.',
  },
  MALFORMED_REQUEST: {
    meaning:
      'The data on the connection is not valid HTTP/1.1, and the connection is closed; or a request does not have exactly one `Host`.',
    advice: 'Fix the client, or whatever is between it and the server.',
  },
  UNKNOWN_EVENT: {
    meaning: 'There is no socket event with this name.',
    advice: 'Fix the client, or do without features that an older server does not have.',
  },
  UNKNOWN_USERS: {
    meaning: 'There are no people with some of the ids; `details.userIds` lists these.',
    advice: 'Have your server create the people first (`POST /api/users`), or leave them out.',
  },
  NOT_A_GROUP: {
    meaning: 'A DIRECT conversation has no name, and nobody can join or leave it.',
    advice: 'Do not offer this for DIRECT conversations.',
  },
  ATTACHMENT_TYPE_MISMATCH: {
    meaning: 'An IMAGE, VIDEO or AUDIO message has a file whose content is something else.',
    advice: 'Leave `type` out, or send it as FILE.',
  },
  UPLOAD_INCOMPLETE: {
    meaning: 'A form was cut off, or an upload was completed or used before all of its parts had arrived.',
    advice: 'Send what is missing, or start the upload again.',
  },
  TOKEN_MISSING: {
    meaning: 'The request has no token.',
    advice: 'Send one: `Authorization: Bearer …`, or `auth: {token}`.',
  },
  TOKEN_INVALID: {
    meaning: 'The token’s signature, issuer, audience or claims are not accepted, or it was revoked.',
    advice: 'Get a new token from your product; if there is none, have the person sign in again.',
  },
  TOKEN_EXPIRED: {
    meaning: 'The token is past its `exp`.',
    advice:
      'Get a new one and repeat the request; on an open socket, send a new one with `renewToken` before the old one expires.',
  },
  FORBIDDEN: {
    meaning: 'The token is valid but does not allow this.',
    advice: 'Do not repeat the request. Show that it is not allowed.',
  },
  PUSH_DISABLED: {
    meaning: 'The installation has no VAPID keys.',
    advice: 'Do not offer notifications.',
  },
  NOT_FOUND: {
    meaning: 'There is no such URL, method or subscription.',
    advice: 'Fix the client, or treat it as gone.',
  },
  CONVERSATION_NOT_FOUND: {
    meaning: 'There is no such conversation, or the person is not a member; the response is the same.',
    advice: 'Remove it from the display.',
  },
  MESSAGE_NOT_FOUND: {
    meaning: 'The conversation has no such message.',
    advice: 'Remove it from the display, or sync.',
  },
  ATTACHMENT_NOT_FOUND: {
    meaning: 'There is no such attachment, or the person may not see it or use it here.',
    advice: 'Upload the file again, or remove it from the display.',
  },
  USER_NOT_FOUND: {
    meaning:
      'There is no such person, or they are not a member of the conversation; also applies to the person in `x-act-as`.',
    advice: 'Fetch the list of people again; a server should create the person first.',
  },
  REQUEST_TIMEOUT: {
    meaning:
      'The headers of a request took longer than 30 seconds to arrive, or the whole request longer than 15 minutes.',
    advice: 'Try again on a faster connection.',
  },
  GROUP_FULL: { meaning: 'A group has at most a thousand members.', advice: 'Remove somebody first.' },
  TOO_MANY_CONVERSATIONS: {
    meaning: 'The users in `details.userIds` are in `CONVERSATIONS_PER_PERSON` conversations already.',
    advice: 'Leave them out, or have them leave some. A service may still add them.',
  },
  PAYLOAD_TOO_LARGE: {
    meaning: 'The JSON body is larger than 256 KiB.',
    advice: 'Send less, or use several requests.',
  },
  FILE_TOO_LARGE: {
    meaning: 'The file is larger than this installation accepts in this way.',
    advice: 'Upload larger files directly to the store (`POST …/attachments`), or tell the person the limit.',
  },
  FILE_TYPE_NOT_ALLOWED: {
    meaning: 'This installation does not accept files of this type, which is detected from the content.',
    advice: 'Tell the person which types are accepted.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    meaning: 'The body is neither JSON nor, where files are accepted, a form.',
    advice: 'Send `content-type: application/json`.',
  },
  RATE_LIMITED: {
    meaning: 'There were more requests or events than the limits allow.',
    advice: 'Wait for `retryAfterMs`, then continue more slowly.',
  },
  HEADERS_TOO_LARGE: {
    meaning: 'The URL and the headers together are larger than 16 kB.',
    advice: 'Make them smaller, for example with fewer claims in the token.',
  },
  INTERNAL: {
    meaning: 'The server failed; its log has the error with the request’s id.',
    advice: 'Retry a few times with backoff; send a message with the same `clientMessageId`.',
  },
  OVERLOADED: {
    meaning: 'A queue of the server is full; it rejects requests rather than answering late.',
    advice: 'Wait for `retryAfterMs` and retry with backoff; send a message with the same `clientMessageId`.',
  },
  STORAGE_UNAVAILABLE: {
    meaning: 'The file store does not respond. Messages without files still work.',
    advice: 'Wait for `retryAfterMs` and retry with backoff.',
  },
  UNAVAILABLE: {
    meaning:
      'The database, Redis or the issuer’s key set is unavailable, or the pod is stopping. A message may have been stored.',
    advice: 'Wait for `retryAfterMs` and retry with backoff; send a message with the same `clientMessageId`.',
  },
}
