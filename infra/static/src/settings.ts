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

/** The settings that say where browsers reach attachments: the page's Content-Security-Policy must allow that origin. */
export const storageSettings = defineSettings({
  S3_ENDPOINT,
  S3_PUBLIC_ENDPOINT,
  S3_REGION,
  S3_BUCKET,
  S3_FORCE_PATH_STYLE,
})

/** All settings of the server of the web client's files. None is a secret. */
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
