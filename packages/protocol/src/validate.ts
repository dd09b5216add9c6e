import type { z } from 'zod'
import { ParleyError } from './errors.ts'
import { problemWords } from './problem-words.ts'

/** What is wrong with a field: its path (`participantIds.0`) and the problem. */
export interface FieldIssue {
  path: string
  message: string
}

/**
 * Parses input with a schema.
 * @throws {ParleyError} VALIDATION_FAILED; `details` lists at most ten {@link FieldIssue}s
 */
export function parse<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input, { error: problemWords })
  if (result.success) return result.data
  const issues = result.error.issues
    .slice(0, 10)
    .map((issue): FieldIssue => ({ path: issue.path.map(String).join('.'), message: wordsOf(issue) }))
  throw invalidRequest(issues)
}

/** Gives a missing body, or one that is a list or a string, a message of its own. */
function wordsOf({ code, path, message }: z.core.$ZodIssue): string {
  return code === 'invalid_type' && path.length === 0 ? 'a JSON object is required' : message
}

/** Returns a VALIDATION_FAILED error for these fields; its message describes the first. */
export function invalidRequest(issues: readonly FieldIssue[]): ParleyError {
  const [first] = issues
  const what = first === undefined ? '' : `: ${first.path === '' ? '' : `${first.path}: `}${first.message}`
  return new ParleyError('VALIDATION_FAILED', { message: `The request is not valid${what}`, details: issues })
}
