export {
  type AdminRoute,
  type AdminServer,
  type AdminServerOptions,
  type ReadyChecks,
  startAdminServer,
} from './admin.ts'
export {
  defineSettings,
  loadSettings,
  loadSettingsOrExit,
  renderSettingsTable,
  type Setting,
  type SettingOptions,
  type SettingsDefinition,
  SettingsError,
  type SettingsOf,
  setting,
} from './config.ts'
export { type Part, type ProcessOptions, runProcess, type StartedProcess } from './lifecycle.ts'
export { apiLimitSettings, drainSettings, gatewayLimitSettings, testOnlySettings } from './limit-settings.ts'
export { createLogger, type Logger, type LoggerOptions } from './logger.ts'
export {
  ForbiddenAddressError,
  guardedLookup,
  isAllowedAddress,
  isAllowedHost,
  type OutboundPolicy,
} from './outbound.ts'
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
  s3Settings,
  tokenSettings,
} from './settings.ts'
