import { instantOf, type StartedUpload } from '@parley/protocol'
import type { StoredPart } from './objects.ts'
import type { Presigner } from './presign.ts'

/** Parts of a direct upload; S3 takes 10,000 of one upload, and R2 wants all but the last to be of one size. */
const PART_BYTES = 16 * 1024 ** 2
const MAX_PARTS = 1_000
/**
 * How long the addresses are good for, in seconds, for each gigabyte or part of one: 1.2 Mbit/s. A day at most, after which
 * what no message names is removed.
 */
const UPLOAD_SECONDS = 2 * 3_600
const MAX_UPLOAD_SECONDS = 24 * 3_600

export interface PlannedPart {
  partNumber: number
  offset: number
  size: number
}

/** Cuts a file into parts of one size, the last as long as it happens to be. The same size is always cut the same way. */
export function planParts(fileSize: number): PlannedPart[] {
  const mebibyte = 1024 ** 2
  const partBytes = Math.max(PART_BYTES, Math.ceil(fileSize / MAX_PARTS / mebibyte) * mebibyte)
  return Array.from({ length: Math.max(1, Math.ceil(fileSize / partBytes)) }, (_, index) => {
    const offset = index * partBytes
    return { partNumber: index + 1, offset, size: Math.min(partBytes, fileSize - offset) }
  })
}

/** The numbers of the parts that are not in the store in their full size. */
export function missingParts(planned: readonly PlannedPart[], stored: readonly StoredPart[]): number[] {
  const sizes = new Map(stored.map(({ partNumber, size }) => [partNumber, size]))
  const missing = planned.filter(({ partNumber, size }) => sizes.get(partNumber) !== size)
  return missing.map(({ partNumber }) => partNumber)
}

/** Signs an address for each part that takes exactly as many bytes as the part has. */
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
