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

/** A part that lies in the store: what completing the upload needs to name it. */
export interface StoredPart {
  partNumber: number
  etag: string
  size: number
}

/** Bytes in pieces, so that they need not be copied into one. */
export interface Body {
  pieces: readonly Buffer[]
  size: number
}

/**
 * How long the store may take for a request, with 5 MiB to send or little to do, and however often it is tried, in
 * milliseconds. A form whose file fails, and whose others are then removed, is answered within three times that: the
 * connection of one that stands still is cut after a minute.
 */
const REQUEST_MS = 15_000
/** How long it may take to make one object of many parts, which S3 itself warns can be minutes. */
const COMPLETE_MS = 300_000

/** How often one part is tried at most. The SDK repeats requests by itself, but not those whose body is a stream. */
const ATTEMPTS = 3

/**
 * Whoever reaches an object other than by an address that Parley signed (a bucket opened by mistake, say) gets bytes to
 * save: addresses say the type and the name themselves.
 */
const AT_REST = { ContentType: 'application/octet-stream', ContentDisposition: 'attachment' }

/**
 * The bucket, by the AWS SDK. What fails is STORAGE_UNAVAILABLE, with the store's answer as its cause; what is gone
 * already is no failure of a removal.
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
      // The checksums that the SDK would add to every request are not known to all S3 APIs, R2's presigned parts for one.
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
    const limit = limited(this.#requestMs, signal)
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
   * @param signal ends the wait; an upload that was begun all the same has no parts, and the bucket's rule ends it
   * @returns the upload's id
   */
  async begin(Key: string, signal?: AbortSignal): Promise<string> {
    const { UploadId } = await this.#guard(
      this.#client.send(
        new CreateMultipartUploadCommand({ Bucket: this.#bucket, Key, ...AT_REST }),
        limited(this.#requestMs, signal),
      ),
    )
    if (UploadId === undefined) throw new ParleyError('STORAGE_UNAVAILABLE')
    return UploadId
  }

  putPart(Key: string, UploadId: string, PartNumber: number, body: Body, signal: AbortSignal): Promise<StoredPart> {
    const limit = limited(this.#requestMs, signal)
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

  /** The parts that lie in the store, in order; undefined where there is no such upload (any more). */
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
      const page = await this.#unlessGone(this.#client.send(new ListPartsCommand(input), limited(this.#requestMs)))
      if (page === undefined) return undefined
      for (const part of page.Parts ?? []) {
        found.push({ partNumber: part.PartNumber ?? 0, etag: part.ETag ?? '', size: part.Size ?? 0 })
      }
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined
    } while (marker !== undefined)
    return found
  }

  /** @returns false where there is no such upload (any more) */
  async complete(Key: string, UploadId: string, parts: readonly StoredPart[]): Promise<boolean> {
    const MultipartUpload = { Parts: parts.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag })) }
    const command = new CompleteMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId, MultipartUpload })
    return (await this.#unlessGone(this.#client.send(command, limited(COMPLETE_MS)))) !== undefined
  }

  /** Removes the object and, with its id, the upload that was to become it. */
  async remove(Key: string, uploadId: string | null, signal?: AbortSignal): Promise<void> {
    if (uploadId !== null) {
      const abort = new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId: uploadId })
      await this.#unlessGone(this.#client.send(abort, limited(this.#requestMs, signal)))
    }
    await this.#unlessGone(
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }), limited(this.#requestMs, signal)),
    )
  }

  /** All of an object; for ones that are known to be small. */
  async read(Key: string): Promise<Uint8Array> {
    const { Body } = await this.#guard(
      this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key }), limited(this.#requestMs)),
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
        // A stream without a piece sends no Content-Length: S3 wants one, also of an empty object.
        return await send(
          pieces.length > 1 || only === undefined ? (size === 0 ? Buffer.alloc(0) : Readable.from(pieces)) : only,
        )
      } catch (error) {
        if (abortSignal.aborted || attempt === ATTEMPTS || !isWorthAnother(error)) throw unavailable(error)
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

/** Refused by the store for what it is: the same again is refused again. */
function isWorthAnother(error: unknown): boolean {
  const status = error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 500) : 500
  return status >= 500 || status === 429
}

function unavailable(cause: unknown): ParleyError {
  return cause instanceof ParleyError ? cause : new ParleyError('STORAGE_UNAVAILABLE', { cause })
}

interface Limit {
  abortSignal: AbortSignal
}

/** Ends a request after so many milliseconds, or when `signal` says so. */
function limited(ms: number, signal?: AbortSignal): Limit {
  const limit = AbortSignal.timeout(ms)
  return { abortSignal: signal === undefined ? limit : AbortSignal.any([signal, limit]) }
}
