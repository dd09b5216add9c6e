import { attachmentSettings, loadSettings, s3Settings } from '@parley/runtime'
import { createTestBucket, s3Environment } from '@parley/testkit'
import type { StorageSettings } from '../src/options.ts'

/** Returns settings with a bucket for this test alone. */
export async function storageSettings(more: Record<string, string> = {}): Promise<StorageSettings> {
  const s3 = await createTestBucket()
  if (s3 === null) throw new Error('this test needs an S3 server')
  return loadSettings(
    { ...s3Settings, ...attachmentSettings },
    {
      ...s3Environment(s3),
      ...more,
    },
  )
}
