import {
  apiLimitSettings,
  apiPublicSettings,
  attachmentSettings,
  databaseSettings,
  defineSettings,
  drainSettings,
  environmentSettings,
  httpSettings,
  logSettings,
  pushRegistrationSettings,
  redisSettings,
  s3Settings,
  testOnlySettings,
  tokenSettings,
} from '@parley/runtime'

/** Everything an api pod is told by its environment. */
export const apiSettings = defineSettings({
  ...environmentSettings,
  ...logSettings,
  ...httpSettings,
  ...databaseSettings,
  ...redisSettings,
  ...tokenSettings,
  ...s3Settings,
  ...attachmentSettings,
  ...pushRegistrationSettings,
  ...apiPublicSettings,
  ...apiLimitSettings,
  ...drainSettings,
  ...testOnlySettings,
})
