import type { z } from 'zod'
import { ParleyError } from './errors.ts'
import { problemWords } from './problem-words.ts'

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
  const result = schema.safeParse(input, { error: problemWords })
  if (result.success) return result.data
  const issues = result.error.issues
    .slice(0, 10)
    .map((issue): FieldIssue => ({ path: issue.path.map(String).join('.'), message: wordsOf(issue) }))
  throw invalidRequest(issues)
}

/** All of it is wrong where there is no body, or one that is a list or a text. */
function wordsOf({ code, path, message }: z.core.$ZodIssue): string {
  return code === 'invalid_type' && path.length === 0 ? 'a JSON object has to come with it' : message
}

/** VALIDATION_FAILED for what is wrong with these fields; the message says it of the first. */
export function invalidRequest(issues: readonly FieldIssue[]): ParleyError {
  const [first] = issues
  const what = first === undefined ? '' : `: ${first.path === '' ? '' : `${first.path}: `}${first.message}`
  return new ParleyError('VALIDATION_FAILED', { message: `The request is not valid${what}`, details: issues })
}
