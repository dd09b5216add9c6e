import type { PageMeta } from './answers.ts'
import type { ErrorBody } from './errors.ts'
import { ParleyError } from './errors.ts'

/** The envelope of a failure, over HTTP and in acks. */
export interface Failure {
  success: false
  message: string
  error: ErrorBody
}

/** Returns a list's page metadata: `page` counts from 1, `total` covers all pages. */
export function pageMeta(page: number, limit: number, total: number): PageMeta {
  return { page, limit, total, totalPages: Math.ceil(total / limit) }
}

/** Wraps an error in the envelope. Anything but a {@link ParleyError} becomes INTERNAL and reveals nothing about itself. */
export function failure(error: unknown): Failure {
  const known = error instanceof ParleyError ? error : new ParleyError('INTERNAL')
  return { success: false, message: known.message, error: known.toBody() }
}
