import { instantOf, type StartedUpload } from '@parley/protocol'
import type { StoredPart } from './objects.ts'
import type { Presigner } from './presign.ts'

/** The size of a direct upload's parts. S3 allows 10,000 parts, and R2 requires all but the last to be of the same size. */
const PART_BYTES = 16 * 1024 ** 2
const MAX_PARTS = 1_000
/**
 * How long the URLs are valid, in seconds, for each gigabyte or part of one: enough at 1.2 Mbit/s. At most a day, after which
 * unclaimed uploads are removed.
 */
const UPLOAD_SECONDS = 2 * 3_600
const MAX_UPLOAD_SECONDS = 24 * 3_600

export interface PlannedPart {
  partNumber: number
  offset: number
  size: number
}

/** Splits a file into parts of the same size, except a shorter last one. The result depends only on the size. */
export function planParts(fileSize: number): PlannedPart[] {
  const mebibyte = 1024 ** 2
  const partBytes = Math.max(PART_BYTES, Math.ceil(fileSize / MAX_PARTS / mebibyte) * mebibyte)
  return Array.from({ length: Math.max(1, Math.ceil(fileSize / partBytes)) }, (_, index) => {
    const offset = index * partBytes
    return { partNumber: index + 1, offset, size: Math.min(partBytes, fileSize - offset) }
  })
}

/** Returns the numbers of the parts that are not in the store, or not in full. */
export function missingParts(planned: readonly PlannedPart[], stored: readonly StoredPart[]): number[] {
  const sizes = new Map(stored.map(({ partNumber, size }) => [partNumber, size]))
  const missing = planned.filter(({ partNumber, size }) => sizes.get(partNumber) !== size)
  return missing.map(({ partNumber }) => partNumber)
}

/** Signs a URL for each part, which accepts exactly the part's number of bytes. */
export function signParts(
  presigner: Presigner,
  key: string,
  uploadId: string,
  planned: readonly PlannedPart[],
  now: number,
): Pick<StartedUpload, 'parts' | 'expiresAt'> {
  const gigabytes = planned.reduce((sum, { size }) => sum + size, 0) / 1024 ** 3
  const expiresIn = Math.min(MAX_UPLOAD_SECONDS, UPLOAD_SECONDS * Math.max(1, Math.ceil(gigabytes)))
  const parts = planned.map((part) => ({
    ...part,
    url: presigner.presign({
      method: 'PUT',
      key,
      query: { partNumber: String(part.partNumber), uploadId },
      headers: { 'content-length': String(part.size) },
      at: now,
      expiresIn,
    }),
  }))
  return { parts, expiresAt: instantOf(new Date(now + expiresIn * 1_000)) }
}
