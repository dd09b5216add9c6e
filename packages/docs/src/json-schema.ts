import { z } from 'zod'

/** A JSON Schema of draft 2020-12, the dialect of OpenAPI 3.1 and AsyncAPI 3. */
export interface JsonSchema {
  [keyword: string]: unknown
}

/** Whether a schema describes input (before transforms and defaults) or output. */
export type Direction = 'input' | 'output'

/**
 * Converts zod schemas to JSON Schemas that refer to each other as `#/components/schemas/<name>`.
 * @param named the schemas by name; a schema contained in another one is replaced by a reference
 */
export function jsonSchemas(named: ReadonlyMap<string, z.ZodType>, io: Direction): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of named) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, {
    target: 'draft-2020-12',
    io,
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ zodSchema, jsonSchema }) => tidy(zodSchema._zod.def, jsonSchema),
  })
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => {
      const { $id: _id, $schema: _schema, ...rest } = schema as JsonSchema
      return [id, rest]
    }),
  )
}

/** Simplifies what zod generates correctly for validators, but hard to read for people. */
function tidy(def: z.core.$ZodTypes['_zod']['def'], schema: JsonSchema): void {
  // Later versions may add fields, and clients must ignore unknown ones.
  if (schema.additionalProperties === false) delete schema.additionalProperties
  // The pattern only repeats the format, except for the number of fractional digits.
  if (schema.format === 'date-time') schema.pattern = '\\.\\d{6}Z$'
  if (schema.format === 'uuid') delete schema.pattern
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  // Zod omits the default of a value that is transformed after the default is applied.
  if (def.type === 'default' && isPlain(def.defaultValue)) schema.default = def.defaultValue
  // An integer in a query string is parsed from a string, but documented as a number.
  if (def.type === 'pipe' && def.out instanceof z.ZodNumber) {
    const { $schema: _, ...number } = z.toJSONSchema(def.out)
    delete schema.pattern
    Object.assign(schema, number)
    if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  }
}

function isPlain(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}
