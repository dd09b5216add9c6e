import type { PageMeta } from './answers.ts'
import type { ErrorBody } from './errors.ts'
import { ParleyError } from './errors.ts'

/** The answer to what failed, over HTTP and in acks. */
export interface Failure {
  success: false
  message: string
  error: ErrorBody
}

/** What a list says of its page: `page` counts from 1, `total` is of all pages. */
export function pageMeta(page: number, limit: number, total: number): PageMeta {
  return { page, limit, total, totalPages: Math.ceil(total / limit) }
}

/** Puts an error into the envelope. What is not a {@link ParleyError} becomes INTERNAL and shows nothing of itself. */
export function failure(error: unknown): Failure {
  const known = error instanceof ParleyError ? error : new ParleyError('INTERNAL')
  return { success: false, message: known.message, error: known.toBody() }
}
