export {
  type AdminRoute,
  type AdminServer,
  type AdminServerOptions,
  type ReadyChecks,
  startAdminServer,
} from './admin.ts'
export {
  addressKey,
  clientAddress,
  type TrustedProxies,
  type TrustsProxy,
  trustsProxy,
} from './client-address.ts'
export { closeInTime } from './closing.ts'
export {
  defineSettings,
  describeDefault,
  loadSettings,
  loadSettingsOrExit,
  type Setting,
  type SettingOptions,
  type SettingsDefinition,
  SettingsError,
  type SettingsOf,
  setting,
} from './config.ts'
export { type RedisState, type WatchedPool, watchPools, watchRedis } from './connection-metrics.ts'
export { type Dependencies, type DependencyCheck, Health, healthOf, type Services } from './health.ts'
export { namesHost } from './host.ts'
export { type Part, type ProcessOptions, runProcess, type StartedProcess } from './lifecycle.ts'
export { apiLimitSettings, drainSettings, gatewayLimitSettings, testOnlySettings } from './limit-settings.ts'
export { createLogger, type Logger, type LoggerOptions } from './logger.ts'
export { BATCH_SIZES, Distribution, LATENCY_SECONDS, Tally } from './measure.ts'
export { Metrics, type Series, single } from './metrics.ts'
export { answerNoRequest } from './no-request.ts'
export {
  ForbiddenAddressError,
  guardedLookup,
  isAllowedHost,
  type OutboundPolicy,
} from './outbound.ts'
export { type AllowedOrigins, apiPublicSettings, publicSettings } from './public-settings.ts'
export {
  pushEndpointPolicy,
  pushRegistrationSettings,
  pushSettings,
  type VapidKeys,
  vapidKeysOf,
} from './push-settings.ts'
export {
  attachmentSettings,
  databaseSettings,
  environmentSettings,
  httpSettings,
  logSettings,
  redisSettings,
  replicaSettings,
  s3Settings,
  tokenSettings,
} from './settings.ts'
export { Standstill } from './standstill.ts'
export { tracingSettings } from './telemetry-settings.ts'
export {
  openTracing,
  parseTraceParent,
  type Span,
  type SpanAttributes,
  type SpanOptions,
  type TraceParent,
  type Tracer,
  type Tracing,
  type TracingSettings,
} from './tracing.ts'
export { troubleLog } from './trouble.ts'
export { VERSION } from './version.ts'
