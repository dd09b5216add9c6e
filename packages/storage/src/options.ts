import type { S3Credentials, S3Location } from './presign.ts'

/** The settings (see packages/runtime) for where files are stored and which are accepted. */
export interface StorageSettings {
  readonly S3_ENDPOINT: string | undefined
  readonly S3_PUBLIC_ENDPOINT: string | undefined
  readonly S3_REGION: string
  readonly S3_BUCKET: string
  readonly S3_ACCESS_KEY_ID: string
  readonly S3_SECRET_ACCESS_KEY: string
  readonly S3_SESSION_TOKEN?: string | undefined
  readonly S3_FORCE_PATH_STYLE: boolean
  readonly ATTACHMENT_MAX_BYTES: number
  readonly ATTACHMENT_DIRECT_MAX_BYTES: number
  readonly ATTACHMENT_TYPES: readonly string[]
  readonly ATTACHMENT_URL_SECONDS: number
}

/** Returns the bucket's location for this process. */
export function locationOf(settings: StorageSettings): S3Location {
  return {
    endpoint: withoutSlash(settings.S3_ENDPOINT),
    region: settings.S3_REGION,
    bucket: settings.S3_BUCKET,
    forcePathStyle: settings.S3_FORCE_PATH_STYLE,
  }
}

/** Returns the bucket's location for clients. */
export function publicLocationOf(settings: StorageSettings): S3Location {
  return { ...locationOf(settings), endpoint: withoutSlash(settings.S3_PUBLIC_ENDPOINT ?? settings.S3_ENDPOINT) }
}

/** Removes trailing slashes. The SDK would add another one, and so store files under other keys than they are read from. */
function withoutSlash(endpoint: string | undefined): string | undefined {
  return endpoint?.replace(/\/+$/, '')
}

/** Returns the key pair that requests are signed with. */
export function credentialsOf(settings: StorageSettings): S3Credentials {
  return {
    accessKeyId: settings.S3_ACCESS_KEY_ID,
    secretAccessKey: settings.S3_SECRET_ACCESS_KEY,
    ...(settings.S3_SESSION_TOKEN === undefined ? {} : { sessionToken: settings.S3_SESSION_TOKEN }),
  }
}

/** Returns the key of an attachment in the bucket. */
export function objectKey(conversationId: string, id: string): string {
  return `attachments/${conversationId}/${id}`
}
