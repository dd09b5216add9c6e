import type { S3Address } from '@parley/local/services'
import { uniqueName } from './database-names.ts'
import { providedServices } from './provided.ts'

/** A bucket of one's own on the run's S3 server; null where there is no such server. It ends with the run. */
export async function createTestBucket(): Promise<S3Address | null> {
  const { s3 } = providedServices()
  if (s3 === null) return null
  const bucket = uniqueName('bucket').replaceAll('_', '-')
  // Both servers that tests use let anybody make buckets: no need to sign this one.
  const answer = await fetch(`${s3.endpoint}/${bucket}`, { method: 'PUT' })
  if (!answer.ok) throw new Error(`The S3 server did not make a bucket: ${answer.status} ${await answer.text()}`)
  return { ...s3, bucket }
}
