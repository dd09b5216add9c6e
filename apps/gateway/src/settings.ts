import {
  attachmentSettings,
  databaseSettings,
  defineSettings,
  drainSettings,
  environmentSettings,
  gatewayLimitSettings,
  httpSettings,
  logSettings,
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
  ...gatewayLimitSettings,
  ...drainSettings,
  ...tracingSettings,
  ...testOnlySettings,
})
