export type { JsonSchema } from './json-schema.ts'
export { type OpenApiDocument, openApiDocument } from './openapi.ts'
export { errorsOf, type Operation, operations } from './operations/index.ts'
