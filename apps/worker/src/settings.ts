import {
  attachmentSettings,
  databaseSettings,
  defineSettings,
  environmentSettings,
  httpSettings,
  logSettings,
  redisSettings,
  s3Settings,
} from '@parley/runtime'

const { HOST, ADMIN_PORT } = httpSettings

/** Everything a worker is told by its environment. */
export const workerSettings = defineSettings({
  ...environmentSettings,
  ...logSettings,
  HOST,
  ADMIN_PORT,
  ...databaseSettings,
  ...redisSettings,
  ...s3Settings,
  ...attachmentSettings,
})
