import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { ParleyError } from '@parley/protocol'
import { credentialsOf, locationOf, type StorageSettings } from './options.ts'

/** A part in the store, as completing the upload needs it. */
export interface StoredPart {
  partNumber: number
  etag: string
  size: number
}

/** Bytes in several buffers, so that they need not be copied into one. */
export interface Body {
  pieces: readonly Buffer[]
  size: number
}

/**
 * Timeout of a request to the store, with up to 5 MiB to send, including retries; in milliseconds. A form whose file fails, and
 * whose other files are then removed, is answered within three times this, before an idle connection is cut after a minute.
 */
const REQUEST_MS = 15_000
/** Timeout for completing a multipart upload, which according to S3 can take minutes. */
const COMPLETE_MS = 300_000

/** Attempts for one part. The SDK retries requests, but not those whose body is a stream. */
const ATTEMPTS = 3

/**
 * Headers stored with each object. Whoever reaches one without a URL signed by Parley (in a bucket opened by mistake, say) gets a
 * download of bytes; signed URLs override the type and the name.
 */
const AT_REST = { ContentType: 'application/octet-stream', ContentDisposition: 'attachment' }

/**
 * The bucket, through the AWS SDK. Failures become STORAGE_UNAVAILABLE, with the store's error as the cause. Removing what is
 * already gone succeeds.
 */
export class ObjectStore {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #requestMs: number

  constructor(settings: StorageSettings, requestMs = REQUEST_MS) {
    this.#requestMs = requestMs
    const { endpoint, region, bucket, forcePathStyle } = locationOf(settings)
    this.#bucket = bucket
    this.#client = new S3Client({
      ...(endpoint === undefined ? {} : { endpoint }),
      region,
      forcePathStyle,
      credentials: credentialsOf(settings),
      maxAttempts: ATTEMPTS,
      // Not all S3 APIs support the checksums that the SDK would add to every request: R2's presigned parts do not.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: 2_000,
        socketTimeout: COMPLETE_MS,
        httpAgent: { maxSockets: 128, keepAlive: true },
        httpsAgent: { maxSockets: 128, keepAlive: true },
      },
    })
  }

  put(Key: string, body: Body, signal: AbortSignal): Promise<void> {
    const limit = withTimeout(this.#requestMs, signal)
    return this.#streamed(
      limit,
      async (Body) => {
        const input = { Bucket: this.#bucket, Key, Body, ContentLength: body.size, ...AT_REST }
        await this.#client.send(new PutObjectCommand(input), limit)
      },
      body,
    )
  }

  /**
   * Begins a multipart upload.
   * @param signal ends the wait. An upload created nevertheless has no parts, and the bucket's lifecycle rule aborts it
   * @returns the upload's id
   */
  async begin(Key: string, signal?: AbortSignal): Promise<string> {
    const { UploadId } = await this.#guard(
      this.#client.send(
        new CreateMultipartUploadCommand({ Bucket: this.#bucket, Key, ...AT_REST }),
        withTimeout(this.#requestMs, signal),
      ),
    )
    if (UploadId === undefined) throw new ParleyError('STORAGE_UNAVAILABLE')
    return UploadId
  }

  putPart(Key: string, UploadId: string, PartNumber: number, body: Body, signal: AbortSignal): Promise<StoredPart> {
    const limit = withTimeout(this.#requestMs, signal)
    return this.#streamed(
      limit,
      async (Body) => {
        const input = { Bucket: this.#bucket, Key, UploadId, PartNumber, Body, ContentLength: body.size }
        const { ETag = '' } = await this.#client.send(new UploadPartCommand(input), limit)
        return { partNumber: PartNumber, etag: ETag, size: body.size }
      },
      body,
    )
  }

  /** Lists the uploaded parts, in order; undefined if the upload does not exist (any more). */
  async parts(Key: string, UploadId: string): Promise<StoredPart[] | undefined> {
    const found: StoredPart[] = []
    let marker: string | undefined
    do {
      const input = {
        Bucket: this.#bucket,
        Key,
        UploadId,
        ...(marker === undefined ? {} : { PartNumberMarker: marker }),
      }
      const page = await this.#unlessGone(this.#client.send(new ListPartsCommand(input), withTimeout(this.#requestMs)))
      if (page === undefined) return undefined
      for (const part of page.Parts ?? []) {
        found.push({ partNumber: part.PartNumber ?? 0, etag: part.ETag ?? '', size: part.Size ?? 0 })
      }
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined
    } while (marker !== undefined)
    return found
  }

  /** Completes a multipart upload. @returns false if the upload does not exist (any more) */
  async complete(Key: string, UploadId: string, parts: readonly StoredPart[]): Promise<boolean> {
    const MultipartUpload = { Parts: parts.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag })) }
    const command = new CompleteMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId, MultipartUpload })
    return (await this.#unlessGone(this.#client.send(command, withTimeout(COMPLETE_MS)))) !== undefined
  }

  /** Removes the object and, if its id is given, aborts the upload that was to become it. */
  async remove(Key: string, uploadId: string | null, signal?: AbortSignal): Promise<void> {
    if (uploadId !== null) {
      const abort = new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId: uploadId })
      await this.#unlessGone(this.#client.send(abort, withTimeout(this.#requestMs, signal)))
    }
    await this.#unlessGone(
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }), withTimeout(this.#requestMs, signal)),
    )
  }

  /** Reads a whole object; only for small ones. */
  async read(Key: string): Promise<Uint8Array> {
    const { Body } = await this.#guard(
      this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key }), withTimeout(this.#requestMs)),
    )
    if (Body === undefined) throw new ParleyError('STORAGE_UNAVAILABLE')
    return this.#guard(Body.transformToByteArray())
  }

  close(): void {
    this.#client.destroy()
  }

  async #streamed<T>(
    { abortSignal }: Limit,
    send: (body: Readable | Buffer) => Promise<T>,
    { pieces, size }: Body,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        const [only] = pieces
        // S3 requires Content-Length even for an empty object, and an empty stream would send none.
        return await send(
          pieces.length > 1 || only === undefined ? (size === 0 ? Buffer.alloc(0) : Readable.from(pieces)) : only,
        )
      } catch (error) {
        if (abortSignal.aborted || attempt === ATTEMPTS || !isRetryable(error)) throw unavailable(error)
      }
    }
  }

  #guard<T>(work: Promise<T>): Promise<T> {
    return work.catch((error) => {
      throw unavailable(error)
    })
  }

  #unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
    return work.catch((error) => {
      if (
        error instanceof S3ServiceException &&
        error.$metadata.httpStatusCode === 404 &&
        error.name !== 'NoSuchBucket'
      ) {
        return undefined
      }
      throw unavailable(error)
    })
  }
}

/** Whether a retry may succeed; errors other than 5xx and 429 would only recur. */
function isRetryable(error: unknown): boolean {
  const status = error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 500) : 500
  return status >= 500 || status === 429
}

function unavailable(cause: unknown): ParleyError {
  return cause instanceof ParleyError ? cause : new ParleyError('STORAGE_UNAVAILABLE', { cause })
}

interface Limit {
  abortSignal: AbortSignal
}

/** Limits a request to `ms` milliseconds, or until `signal` is aborted. */
function withTimeout(ms: number, signal?: AbortSignal): Limit {
  const limit = AbortSignal.timeout(ms)
  return { abortSignal: signal === undefined ? limit : AbortSignal.any([signal, limit]) }
}
