import {
  attachmentSettings,
  databaseSettings,
  defineSettings,
  drainSettings,
  environmentSettings,
  gatewayLimitSettings,
  httpSettings,
  logSettings,
  publicSettings,
  redisSettings,
  s3Settings,
  testOnlySettings,
  tokenSettings,
  tracingSettings,
} from '@parley/runtime'

/** All settings of a gateway. */
export const gatewaySettings = defineSettings({
  ...environmentSettings,
  ...logSettings,
  ...httpSettings,
  ...databaseSettings,
  ...redisSettings,
  ...tokenSettings,
  ...s3Settings,
  ...attachmentSettings,
  ...publicSettings,
  ...gatewayLimitSettings,
  ...drainSettings,
  ...tracingSettings,
  ...testOnlySettings,
})
