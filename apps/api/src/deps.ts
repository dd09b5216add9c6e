import type { FastifyJwtOptions, TokenSettings } from '@parley/auth'
import type {
  ConversationReader,
  ConversationSync,
  ConversationWriter,
  History,
  MessageWriter,
  People,
  ReadMarker,
} from '@parley/messaging'
import type { Logger } from '@parley/runtime'
import type { PushRouteDeps } from './routes/push.ts'

/** What the routes work with; main.ts puts it together. */
export interface ApiDeps extends PushRouteDeps {
  logger: Logger
  tokenSettings: TokenSettings
  jwtOptions: FastifyJwtOptions
  people: People
  conversations: ConversationReader
  conversationWriter: ConversationWriter
  history: History
  messages: MessageWriter
  reads: ReadMarker
  sync: ConversationSync
}
