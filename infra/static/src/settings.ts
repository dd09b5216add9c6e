import {
  defineSettings,
  drainSettings,
  environmentSettings,
  httpSettings,
  logSettings,
  s3Settings,
  setting,
} from '@parley/runtime'
import { z } from 'zod'

const { S3_ENDPOINT, S3_PUBLIC_ENDPOINT, S3_REGION, S3_BUCKET, S3_FORCE_PATH_STYLE } = s3Settings

/** Where browsers reach attachments, which the page's security policy has to name. */
export const storageSettings = defineSettings({
  S3_ENDPOINT,
  S3_PUBLIC_ENDPOINT,
  S3_REGION,
  S3_BUCKET,
  S3_FORCE_PATH_STYLE,
})

/** Everything the server of the web client's files is told by its environment. It is given no secret. */
export const staticSettings = defineSettings({
  ...environmentSettings,
  ...logSettings,
  ...httpSettings,
  ...drainSettings,
  WEB_ROOT: setting(z.string().max(4_096), 'The folder with the built web client', {
    expected: 'a path',
    default: 'apps/web/dist',
  }),
  ...storageSettings,
})
