import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { S3Context, S3Middleware } from '@20minutes/s3rver'

/**
 * Adds what s3rver lacks for multipart uploads: ListParts, AbortMultipartUpload, and refusing parts of an upload that is over.
 * Requests are not authenticated here beyond knowing the upload's id (128 random bits), which is enough for a store on the
 * loopback address.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
 */
export const multipartSupplement: S3Middleware = async (ctx, next) => {
  const uploadId = ctx.query.uploadId
  if (
    !['GET', 'PUT', 'DELETE'].includes(ctx.method) ||
    typeof uploadId !== 'string' ||
    !/^[0-9a-f]{32}$/.test(uploadId)
  )
    return next()
  const [, bucket = '', ...key] = decodeURIComponent(ctx.path).split('/')
  const folder = join(ctx.store.getResourcePath(bucket, undefined, 'uploads'), uploadId)
  const owner = await readFile(join(folder, 'key'), 'utf8').catch(() => undefined)
  if (owner === undefined || owner !== key.join('/')) {
    ctx.status = 404
    ctx.body = { Error: { Code: 'NoSuchUpload', Message: 'The specified multipart upload does not exist.' } }
  } else if (ctx.method === 'PUT') {
    await next()
  } else if (ctx.method === 'DELETE') {
    await rm(folder, { recursive: true, force: true })
    ctx.status = 204
  } else {
    await listParts(ctx, { folder, bucket, key: owner, uploadId })
  }
}

async function listParts(
  ctx: S3Context,
  { folder, bucket, key, uploadId }: { folder: string; bucket: string; key: string; uploadId: string },
): Promise<void> {
  const numbers = (await readdir(folder)).flatMap((name) => /^(\d+)\.md5$/.exec(name)?.[1] ?? [])
  const parts = await Promise.all(
    numbers.map(async (number) => ({
      PartNumber: Number(number),
      ETag: `"${await readFile(join(folder, `${number}.md5`), 'utf8')}"`,
      Size: (await stat(join(folder, number))).size,
    })),
  )
  parts.sort((a, b) => a.PartNumber - b.PartNumber)
  const ListPartsResult = { Bucket: bucket, Key: key, UploadId: uploadId, IsTruncated: false, Part: parts }
  ctx.body = { ListPartsResult }
}
