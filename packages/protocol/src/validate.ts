import type { z } from 'zod'
import { ParleyError } from './errors.ts'

/** What is wrong with one field: its path (`participantIds.0`) and why. */
export interface FieldIssue {
  path: string
  message: string
}

/**
 * Parses what came in.
 * @throws {ParleyError} VALIDATION_FAILED; `details` lists at most ten {@link FieldIssue}s.
 */
export function parse<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issues = result.error.issues
    .slice(0, 10)
    .map((issue): FieldIssue => ({ path: issue.path.map(String).join('.'), message: issue.message }))
  throw invalidRequest(issues)
}

/** VALIDATION_FAILED for what is wrong with these fields; the message says it of the first. */
export function invalidRequest(issues: readonly FieldIssue[]): ParleyError {
  const [first] = issues
  const what = first === undefined ? '' : `: ${first.path === '' ? '' : `${first.path}: `}${first.message}`
  return new ParleyError('VALIDATION_FAILED', { message: `The request is not valid${what}`, details: issues })
}
