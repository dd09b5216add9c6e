import type { TokenVerifier } from '@parley/auth'
import type { GatewayRooms } from '@parley/fanout'
import type {
  ConversationReader,
  ConversationSync,
  Membership,
  MessageWriter,
  People,
  ReadMarker,
  TokenRevocations,
} from '@parley/messaging'
import type { Presence, PresenceReader } from '@parley/presence'
import type { Logger, Standstill, Tracer } from '@parley/runtime'
import type { Crowd } from './crowd.ts'
import type { GatewayLimits } from './limits.ts'
import type { GatewayMeasures } from './measures.ts'
import type { OnlineNews } from './online-news.ts'
import type { TypingIndicators } from './typing.ts'

/** What the handlers work with; main.ts puts it together. */
export interface GatewayDeps {
  logger: Logger
  measures: GatewayMeasures
  /** Left out where nothing is traced. */
  tracer: Tracer | undefined
  crowd: Crowd
  tokens: TokenVerifier
  revocations: TokenRevocations
  limits: GatewayLimits
  people: People
  membership: Membership
  conversations: ConversationReader
  messages: MessageWriter
  reads: ReadMarker
  sync: ConversationSync
  /** This gateway's own connections. */
  presence: Presence
  /** Everybody's. */
  presenceReader: PresenceReader
  onlineNews: OnlineNews
  rooms: GatewayRooms
  standstill: Standstill
  typing: TypingIndicators
}
