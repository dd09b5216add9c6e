import type { ErrorCode } from '@parley/protocol'
import type { JsonSchema } from './json-schema.ts'

/** Returns a reference to the schema with this name in the document. */
export function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` }
}

/** Returns the schema of a failure's envelope with one of these codes. */
export function failureWith(codes: readonly ErrorCode[]): JsonSchema {
  const code = { enum: codes }
  return {
    allOf: [reference('Failure'), { type: 'object', properties: { error: { type: 'object', properties: { code } } } }],
  }
}

/** Converts an operation's id or an event's name to the prefix of its schema names: `SendMessage` for `sendMessage`. */
export function pascal(id: string): string {
  return id.charAt(0).toUpperCase() + id.slice(1)
}
