export type {
  Attachment,
  Conversation,
  ConversationType,
  Highlight,
  Message,
  MessageType,
  Participant,
  SearchHit,
  SystemEvent,
  User,
} from '@parley/protocol'
export { ParleyClient } from './client.ts'
export type { ConnectionState } from './connection.ts'
export { type ClientErrorCode, ParleyClientError } from './errors.ts'
export type { PendingMessage } from './outbox.ts'
export type { SearchOptions, ServerRequests } from './requests.ts'
export { indexedDbStorage } from './storage/indexed-db.ts'
export { memoryStorage } from './storage/memory.ts'
export type { OutboxEntry, OutboxStorage } from './storage/types.ts'
export { type WebStorageLike, webStorage } from './storage/web.ts'
export type { Store } from './store.ts'
export type { TimelineSnapshot } from './timeline.ts'
export type { ClientEvents, MessagesSnapshot, Page, ParleyClientOptions, SendOptions } from './types.ts'
export type { TypingPerson } from './typing.ts'
export type { SendFileOptions, UploadOptions, UploadProgress } from './upload.ts'
