import { z } from 'zod'

/** A JSON Schema of draft 2020-12, the dialect of OpenAPI 3.1 and AsyncAPI 3. */
export interface JsonSchema {
  [keyword: string]: unknown
}

/** What a schema is about: what comes in (before transforms and defaults), or what goes out. */
export type Direction = 'input' | 'output'

/**
 * Turns zod schemas into JSON Schemas that refer to each other by `#/components/schemas/<name>`.
 * @param named the schemas by their names; one that stands within another is referred to
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

/** What zod says in a way that is right for a validator and hard on a reader. */
function tidy(def: z.core.$ZodTypes['_zod']['def'], schema: JsonSchema): void {
  // A later version may add fields, and clients must ignore those that they do not know.
  if (schema.additionalProperties === false) delete schema.additionalProperties
  // The format says most of it; the pattern beside it is the same once more.
  if (schema.format === 'date-time') schema.pattern = '\\.\\d{6}Z$'
  if (schema.format === 'uuid') delete schema.pattern
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  // Left out by zod where a value is transformed after it was filled in.
  if (def.type === 'default' && isPlain(def.defaultValue)) schema.default = def.defaultValue
  // A whole number in a query string is a text that becomes one: to whoever asks it is a number.
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
