import type { S3Address } from '@parley/local/services'
import { uniqueName } from './database-names.ts'
import { providedServices } from './provided.ts'

/** Creates a bucket on the run's S3 server; null if there is no such server. The bucket is gone after the run. */
export async function createTestBucket(): Promise<S3Address | null> {
  const { s3 } = providedServices()
  if (s3 === null) return null
  const bucket = uniqueName('bucket').replaceAll('_', '-')
  // Both S3 servers used in tests let anybody create buckets, so this request is not signed.
  const answer = await fetch(`${s3.endpoint}/${bucket}`, { method: 'PUT' })
  if (!answer.ok) throw new Error(`The S3 server did not create a bucket: ${answer.status} ${await answer.text()}`)
  return { ...s3, bucket }
}
