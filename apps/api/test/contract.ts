import { asyncApiDocument, type JsonSchema, openApiDocument } from '@parley/docs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/*
 * Checks real answers against the OpenAPI and AsyncAPI documents: operation, status and body, or event and ack, including
 * undocumented fields.
 */

const document = strict(openApiDocument())
const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema(document, 'api')
// The document's `id` has another meaning for the validator.
ajv.addSchema({ components: strict(asyncApiDocument()).components }, 'gateway')

const templates = Object.keys(document.paths)
  .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }))
  // Literal paths take precedence over templates.
  .sort((a, b) => a.path.split('{').length - b.path.split('{').length)

/**
 * Returns how an answer violates the document; empty if it does not. Undocumented routes and methods must answer 404 or 400.
 */
export function problemsOf(method: string, address: string, status: number, body: unknown): string[] {
  const pathname = address.replace(/^https?:\/\/[^/]+/, '').split('?', 1)[0] ?? ''
  const path = templates.find(({ pattern }) => pattern.test(pathname))?.path
  const operation = path === undefined ? undefined : document.paths[path]?.[method.toLowerCase()]
  if (path === undefined || operation === undefined) {
    return status === 404 || status === 400 ? [] : [`${method} ${pathname} is not described and was answered ${status}`]
  }
  const described = operation.responses[status]
  if (described === undefined) return [`${operation.operationId}: the status ${status} is not described`]
  if (described.content === undefined) return []
  const pointer = [
    'paths',
    path,
    method.toLowerCase(),
    'responses',
    String(status),
    'content',
    'application/json',
    'schema',
  ]
  return violations('api', pointer, body).map((problem) => `${operation.operationId} ${status}: ${problem}`)
}

/** Returns how a JSON request body violates the document. */
export function problemsOfBody(method: string, path: string, body: unknown): string[] {
  const pointer = ['paths', path, method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema']
  return violations('api', pointer, body)
}

/** Returns how an event in either direction, or an ack (`<event>Ack`), violates the document. */
export function problemsOfEvent(name: string, payload: unknown): string[] {
  return violations('gateway', ['components', 'messages', name, 'payload'], payload).map(
    (problem) => `${name}: ${problem}`,
  )
}

function violations(of: 'api' | 'gateway', pointer: readonly string[], value: unknown): string[] {
  const escaped = pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
  const validate = ajv.getSchema(`${of}#/${escaped.join('/')}`)
  if (validate === undefined) return [`there is no schema at ${pointer.join(' ')}`]
  if (validate(value) === true) return []
  return (validate.errors ?? []).map(({ instancePath, message = '', params }) =>
    `${instancePath} ${message} ${JSON.stringify(params)}`.trim(),
  )
}

/** Forbids additional fields: the document allows them for the future, but all current ones must be documented. */
function strict<T extends { components: { schemas: Record<string, JsonSchema> } }>(source: T): T {
  const copy = structuredClone(source)
  for (const schema of Object.values(copy.components.schemas)) close(schema)
  return copy
}

function close(schema: JsonSchema): void {
  if (schema.type === 'object' && schema.properties !== undefined && schema.additionalProperties === undefined) {
    schema.additionalProperties = false
  }
  for (const value of Object.values(schema)) {
    if (typeof value === 'object' && value !== null) close(value as JsonSchema)
  }
}
