import { createHash, createHmac } from 'node:crypto'

/** Where an S3 API is and how a bucket there is addressed. */
export interface S3Location {
  /** Origin, and a path where the API has one; undefined is AWS in `region`. */
  endpoint?: string | undefined
  region: string
  bucket: string
  /** The bucket is part of the path (MinIO, local servers) rather than of the host name. */
  forcePathStyle: boolean
}

export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
}

export interface PresignRequest {
  method: 'GET' | 'HEAD' | 'PUT'
  key: string
  /** Parameters of the query besides those of the signature. */
  query?: Readonly<Record<string, string>>
  /** Headers, named in lower case, that the request must carry with exactly these values. */
  headers?: Readonly<Record<string, string>>
  /** From when on the address is good, in milliseconds since the epoch. S3 counts in seconds. */
  at: number
  /** For how long, in seconds; a week at most. */
  expiresIn: number
}

/**
 * For how long an address is good that a process signs for itself and uses at once, in seconds. Stores take requests that are
 * signed in the header from clocks that differ by so much, and addresses from clocks that are ahead by it.
 */
export const OWN_USE_SECONDS = 900

/**
 * Signs addresses by AWS Signature Version 4 in the query. Some microseconds of computing in one go, where the SDK's
 * presigner runs its asynchronous stack of middleware and brings all of the SDK into the process: gateways sign an address
 * for each attachment they show and need nothing else of S3. A test holds it against the SDK's presigner.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
export class Presigner {
  readonly #base: URL
  readonly #region: string
  readonly #credentials: S3Credentials
  /** The signing key is the same for all of a day. */
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
    const canonicalQuery = Object.entries({
      ...query,
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD',
      'X-Amz-Credential': `${this.#credentials.accessKeyId}/${scope}`,
      'X-Amz-Date': time,
      'X-Amz-Expires': String(expiresIn),
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

/** The bucket's address, with a slash at its end. */
function bucketUrl({ endpoint, region, bucket, forcePathStyle }: S3Location): URL {
  const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  if (forcePathStyle) url.pathname += `${bucket}/`
  else url.host = `${bucket}.${url.host}`
  return url
}

/** RFC 3986's unreserved characters stay, all else is percent-encoded: what the signature's rules ask for. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
