import { attachmentSettings, loadSettings, s3Settings } from '@parley/runtime'
import { createTestBucket } from '@parley/testkit'
import type { StorageSettings } from '../src/options.ts'

/** Settings for a bucket of the test's own. */
export async function storageSettings(more: Record<string, string> = {}): Promise<StorageSettings> {
  const s3 = await createTestBucket()
  if (s3 === null) throw new Error('this test needs an S3 server')
  return loadSettings(
    { ...s3Settings, ...attachmentSettings },
    {
      S3_ENDPOINT: s3.endpoint,
      S3_REGION: s3.region,
      S3_BUCKET: s3.bucket,
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
      S3_FORCE_PATH_STYLE: 'true',
      ...more,
    },
  )
}
