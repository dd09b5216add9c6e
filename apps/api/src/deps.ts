import type { FastifyJwtOptions, TokenSettings } from '@parley/auth'
import type { Database } from '@parley/db'
import type {
  ConversationReader,
  ConversationSync,
  ConversationWriter,
  History,
  MessageSearch,
  MessageWriter,
  People,
  ReadMarker,
  TokenRevocations,
} from '@parley/messaging'
import type { RedisClient } from '@parley/redis'
import type { apiPublicSettings, Logger, SettingsOf, Standstill, Tracer } from '@parley/runtime'
import type { FileStore } from '@parley/storage'
import type { AttachmentUploads } from '@parley/storage/uploads'
import type { AdditionLimit } from './addition-limit.ts'
import type { HttpMeasures } from './measures.ts'

/** What the routes depend on; main.ts assembles it. */
export interface ApiDeps {
  logger: Logger
  measures: HttpMeasures
  /** Undefined when tracing is off. */
  tracer: Tracer | undefined
  standstill: Pick<Standstill, 'covers'>
  /** CORS, HSTS, keep-alive and trusted proxies. */
  http: SettingsOf<typeof apiPublicSettings>
  tokenSettings: TokenSettings
  jwtOptions: FastifyJwtOptions
  revocations: TokenRevocations
  /** Where requests are counted, and how many a person may make in ten seconds (0 for no limit). */
  rateLimit: { redis: RedisClient; perPerson: number }
  additions: AdditionLimit
  /** The VAPID public key (null when push is off), and whether push endpoints may be on loopback addresses. */
  push: { publicKey: string | null; allowLoopback: boolean }
  db: Database
  people: People
  conversations: ConversationReader
  conversationWriter: ConversationWriter
  history: History
  messages: MessageWriter
  reads: ReadMarker
  search: MessageSearch
  sync: ConversationSync
  store: FileStore
  uploads: AttachmentUploads
  /** How many multipart requests are accepted at the same time; see FormSlots. */
  uploadsAtOnce: number
}
