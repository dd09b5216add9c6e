import { loadSettings, type SettingsOf } from '@parley/runtime'
import { storageSettings } from './settings.ts'

/** Returns the origin at which browsers read and write attachments: the origin of signed URLs (packages/storage: presign.ts). */
export function storageOrigin(settings: SettingsOf<typeof storageSettings>): string {
  const { S3_PUBLIC_ENDPOINT, S3_ENDPOINT, S3_REGION, S3_BUCKET, S3_FORCE_PATH_STYLE } = settings
  const url = new URL(S3_PUBLIC_ENDPOINT ?? S3_ENDPOINT ?? `https://s3.${S3_REGION}.amazonaws.com`)
  if (!S3_FORCE_PATH_STYLE) url.hostname = `${S3_BUCKET}.${url.hostname}`
  return url.origin
}

/**
 * The same, from environment variables.
 * @throws SettingsError
 */
export function storageOriginIn(env: Readonly<Record<string, string | undefined>>): string {
  return storageOrigin(loadSettings(storageSettings, env))
}
