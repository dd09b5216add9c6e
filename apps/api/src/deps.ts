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

/** What the routes work with; main.ts puts it together. */
export interface ApiDeps {
  logger: Logger
  measures: HttpMeasures
  /** Left out where nothing is traced. */
  tracer: Tracer | undefined
  standstill: Pick<Standstill, 'covers'>
  /** What browsers and balancers are told, and which of them is believed. */
  http: SettingsOf<typeof apiPublicSettings>
  tokenSettings: TokenSettings
  jwtOptions: FastifyJwtOptions
  revocations: TokenRevocations
  /** Where requests are counted, and how many a person may make in ten seconds (0: any number). */
  rateLimit: { redis: RedisClient; perPerson: number }
  additions: AdditionLimit
  /** How devices are registered: with the public key of push (null where it is off), and whether one may be on loopback. */
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
  /** Requests with files that are taken at the same time; see FormSlots. */
  uploadsAtOnce: number
}
