import type { ErrorCode } from '@parley/protocol'
import type { JsonSchema } from './json-schema.ts'

/** How a document refers to a schema that it has under this name. */
export function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` }
}

/** The envelope of a failure, with one of these codes. */
export function failureWith(codes: readonly ErrorCode[]): JsonSchema {
  const code = { enum: codes }
  return {
    allOf: [reference('Failure'), { type: 'object', properties: { error: { type: 'object', properties: { code } } } }],
  }
}

/** An operation's id or an event's name, as the names of its schemas begin: `SendMessage` for `sendMessage`. */
export function pascal(id: string): string {
  return id.charAt(0).toUpperCase() + id.slice(1)
}
