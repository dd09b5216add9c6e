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

/** What the handlers depend on; main.ts assembles it. */
export interface GatewayDeps {
  logger: Logger
  measures: GatewayMeasures
  /** Undefined when tracing is off. */
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
  /** Presence of this gateway's own connections. */
  presence: Presence
  /** Presence of everybody. */
  presenceReader: PresenceReader
  onlineNews: OnlineNews
  rooms: GatewayRooms
  standstill: Standstill
  typing: TypingIndicators
}
