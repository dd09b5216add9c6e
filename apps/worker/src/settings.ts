import {
  attachmentSettings,
  databaseSettings,
  defineSettings,
  environmentSettings,
  httpSettings,
  logSettings,
  pushSettings,
  redisSettings,
  s3Settings,
  tracingSettings,
} from '@parley/runtime'

const { HOST, ADMIN_PORT } = httpSettings

/** All settings of a worker. */
export const workerSettings = defineSettings({
  ...environmentSettings,
  ...logSettings,
  HOST,
  ADMIN_PORT,
  ...databaseSettings,
  ...redisSettings,
  ...pushSettings,
  ...s3Settings,
  ...attachmentSettings,
  ...tracingSettings,
})
