import {
  apiLimitSettings,
  databaseSettings,
  defineSettings,
  environmentSettings,
  httpSettings,
  logSettings,
  pushRegistrationSettings,
  redisSettings,
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
  ...pushRegistrationSettings,
  ...apiLimitSettings,
})
