import { createHash, createHmac } from 'node:crypto'

/** Where an S3 API is, and how to address a bucket there. */
export interface S3Location {
  /** The API's origin and, if it has one, path; undefined for AWS in `region`. */
  endpoint?: string | undefined
  region: string
  bucket: string
  /** Whether the bucket is part of the path (as with MinIO and local servers) instead of the host name. */
  forcePathStyle: boolean
}

export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
  /** The session token of temporary credentials; it is part of every URL. */
  sessionToken?: string
}

export interface PresignRequest {
  method: 'GET' | 'HEAD' | 'PUT'
  key: string
  /** Query parameters in addition to those of the signature. */
  query?: Readonly<Record<string, string>>
  /** Headers that the request must carry with exactly these values; the names are in lower case. */
  headers?: Readonly<Record<string, string>>
  /** When the URL becomes valid, in milliseconds since 1970. S3 only counts seconds. */
  at: number
  /** How long it is valid, in seconds; at most a week. */
  expiresIn: number
}

/**
 * Validity of a URL that a process signs for its own immediate use, in seconds. Stores tolerate this much clock skew in requests
 * with signed headers, and for URLs signed by a clock that is ahead; this tolerates as much from a clock that is behind.
 */
export const OWN_USE_SECONDS = 900

/**
 * Presigns URLs with AWS Signature Version 4, synchronously and in microseconds. The SDK's presigner runs an asynchronous
 * middleware stack and loads the whole SDK, but gateways sign a URL for each attachment they show and need nothing else of S3.
 * A test compares it with the SDK's presigner.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
export class Presigner {
  readonly #base: URL
  readonly #region: string
  readonly #credentials: S3Credentials
  /** The signing key of the current day. */
  #day = ''
  #dayKey: Buffer = Buffer.alloc(0)

  constructor(location: S3Location, credentials: S3Credentials) {
    this.#base = bucketUrl(location)
    this.#region = location.region
    this.#credentials = credentials
  }

  presign({ method, key, query = {}, headers = {}, at, expiresIn }: PresignRequest): string {
    const time = new Date(at).toISOString().replace(/[-:]|\.\d{3}/g, '')
    const day = time.slice(0, 8)
    const scope = `${day}/${this.#region}/s3/aws4_request`
    const signedHeaders: Record<string, string> = { ...headers, host: this.#base.host }
    const names = Object.keys(signedHeaders).sort()
    const path = `${this.#base.pathname}${key.split('/').map(encode).join('/')}`
    const { accessKeyId, sessionToken } = this.#credentials
    const canonicalQuery = Object.entries({
      ...query,
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD',
      'X-Amz-Credential': `${accessKeyId}/${scope}`,
      'X-Amz-Date': time,
      'X-Amz-Expires': String(expiresIn),
      ...(sessionToken === undefined ? {} : { 'X-Amz-Security-Token': sessionToken }),
      'X-Amz-SignedHeaders': names.join(';'),
    })
      .map(([name, value]): [string, string] => [encode(name), encode(value)])
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map((pair) => pair.join('='))
      .join('&')
    const canonicalHeaders = names.map((name) => `${name}:${signedHeaders[name]?.trim()}\n`).join('')
    const canonical = [method, path, canonicalQuery, canonicalHeaders, names.join(';'), 'UNSIGNED-PAYLOAD'].join('\n')
    const hash = createHash('sha256').update(canonical).digest('hex')
    const signature = createHmac('sha256', this.#keyOf(day))
      .update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash}`)
      .digest('hex')
    return `${this.#base.origin}${path}?${canonicalQuery}&X-Amz-Signature=${signature}`
  }

  #keyOf(day: string): Buffer {
    if (day !== this.#day) {
      const steps = [day, this.#region, 's3', 'aws4_request']
      this.#dayKey = steps.reduce<Buffer>(
        (key, step) => createHmac('sha256', key).update(step).digest(),
        Buffer.from(`AWS4${this.#credentials.secretAccessKey}`),
      )
      this.#day = day
    }
    return this.#dayKey
  }
}

/** Returns the bucket's URL with a trailing slash. */
function bucketUrl({ endpoint, region, bucket, forcePathStyle }: S3Location): URL {
  const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  if (forcePathStyle) url.pathname += `${bucket}/`
  else url.host = `${bucket}.${url.host}`
  return url
}

/** Percent-encodes everything but RFC 3986's unreserved characters, as the signature requires. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
