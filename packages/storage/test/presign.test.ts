import { GetObjectCommand, type PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { attachmentSettings, loadSettings, s3Settings } from '@parley/runtime'
import { describe, expect, it } from 'vitest'
import { contentDisposition } from '../src/delivery.ts'
import { credentialsOf, locationOf } from '../src/options.ts'
import { Presigner, type PresignRequest, type S3Credentials, type S3Location } from '../src/presign.ts'

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const at = Date.parse('2026-02-28T23:59:59.500Z')
const locations: S3Location[] = [
  { region: 'eu-central-1', bucket: 'files', forcePathStyle: false },
  { endpoint: 'https://account.r2.cloudflarestorage.com', region: 'auto', bucket: 'files', forcePathStyle: false },
  { endpoint: 'http://127.0.0.1:9000', region: 'us-east-1', bucket: 'files', forcePathStyle: true },
  { endpoint: 'https://files.example.com/storage/v1/s3', region: 'eu-west-1', bucket: 'files', forcePathStyle: true },
  locationOf(
    loadSettings(
      { ...s3Settings, ...attachmentSettings },
      { NODE_ENV: 'test', S3_ENDPOINT: 'https://files.example.com:8443/s3/', S3_FORCE_PATH_STYLE: 'false' },
    ),
  ),
]
const Key = 'attachments/a b/ü(1)*.pdf'

const temporary = { ...credentials, sessionToken: 'IQoJb3JpZ2luX2VjEJr//wEaCXVzLWVhc3QtMSJHMEUCIQ==' }

function client({ endpoint, ...location }: S3Location, key: S3Credentials): S3Client {
  return new S3Client({
    ...location,
    ...(endpoint === undefined ? {} : { endpoint }),
    credentials: key,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

/** Returns the host, path and query of a URL, without the query parameter that the SDK adds for itself. */
function partsOf(address: string) {
  const url = new URL(address)
  url.searchParams.delete('x-id')
  return [url.host, url.pathname, [...url.searchParams].sort()]
}

/** Signs with the SDK, leaving `x-id` out. */
async function bySdk(
  location: S3Location,
  command: GetObjectCommand | PutObjectCommand | UploadPartCommand,
  signable: string[] = [],
  key: S3Credentials = credentials,
): Promise<string> {
  const s3 = client(location, key)
  s3.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { query: Record<string, string> }
      delete request.query['x-id']
      return next(args)
    },
    { step: 'build', priority: 'low' },
  )
  return getSignedUrl(s3, command as GetObjectCommand, {
    expiresIn: 900,
    signingDate: new Date(at),
    signableHeaders: new Set(['host', ...signable]),
  })
}

describe('a presigned URL equals the SDK’s', () => {
  const ours = (location: S3Location, request: Pick<PresignRequest, 'method' | 'query' | 'headers'>) =>
    new Presigner(location, credentials).presign({ key: Key, at, expiresIn: 900, ...request })

  it.each(locations)('for a download, with names in several scripts, at $endpoint', async (location) => {
    for (const name of ['report.pdf', 'über “alles” (1)*.pdf', "تقرير'.pdf", '100%.txt', 'a+b&c=d.txt']) {
      const disposition = contentDisposition('application/pdf', name)
      const command = new GetObjectCommand({
        Bucket: location.bucket,
        Key,
        ResponseContentDisposition: disposition,
        ResponseContentType: 'text/plain; charset=utf-8',
      })
      const query = {
        'response-content-disposition': disposition,
        'response-content-type': 'text/plain; charset=utf-8',
      }
      expect(partsOf(ours(location, { method: 'GET', query }))).toEqual(partsOf(await bySdk(location, command)))
    }
  })

  it.each(locations)('for a part with its size, at $endpoint', async (location) => {
    const command = new UploadPartCommand({
      Bucket: location.bucket,
      Key,
      UploadId: 'an+id/with=signs',
      PartNumber: 12,
      ContentLength: 5,
    })
    const query = { uploadId: 'an+id/with=signs', partNumber: '12' }
    const signed = ours(location, { method: 'PUT', query, headers: { 'content-length': '5' } })
    expect(partsOf(signed)).toEqual(partsOf(await bySdk(location, command, ['content-length'])))
  })
})

it('signs with temporary credentials as the SDK does, session token included', async () => {
  const env = {
    NODE_ENV: 'test',
    S3_ACCESS_KEY_ID: temporary.accessKeyId,
    S3_SECRET_ACCESS_KEY: temporary.secretAccessKey,
    S3_SESSION_TOKEN: temporary.sessionToken,
  }
  const settings = loadSettings({ ...s3Settings, ...attachmentSettings }, env)
  const location = locationOf(settings)
  const signed = new Presigner(location, credentialsOf(settings)).presign({
    method: 'GET',
    key: Key,
    at,
    expiresIn: 900,
  })
  const command = new GetObjectCommand({ Bucket: location.bucket, Key })
  expect(partsOf(signed)).toEqual(partsOf(await bySdk(location, command, [], temporary)))
  expect(new URL(signed).searchParams.get('X-Amz-Security-Token')).toBe(temporary.sessionToken)
})

it('signs fast enough for every attachment shown', () => {
  const [location] = locations
  if (location === undefined) throw new Error('no location')
  const presigner = new Presigner(location, credentials)
  const started = performance.now()
  for (let i = 0; i < 2_000; i++) presigner.presign({ method: 'GET', key: `attachments/${i}`, at, expiresIn: 900 })
  // About 15 µs each on a quiet machine; the bound allows for a busy one.
  expect((performance.now() - started) / 2_000).toBeLessThan(1)
})
