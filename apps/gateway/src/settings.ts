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

/** Everything a gateway is told by its environment. */
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
