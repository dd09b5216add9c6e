import { asyncApiDocument, type JsonSchema, openApiDocument } from '@parley/docs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/*
 * Holds what the real servers answer to the OpenAPI and the AsyncAPI document: the operation, its status, and the body, the
 * event, its ack, to the last field, those too many included.
 */

const document = strict(openApiDocument())
const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema(document, 'api')
// The document's `id` means something else to a validator.
ajv.addSchema({ components: strict(asyncApiDocument()).components }, 'gateway')

const templates = Object.keys(document.paths)
  .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }))
  // What is written out goes before what stands for anything.
  .sort((a, b) => a.path.split('{').length - b.path.split('{').length)

/**
 * What is wrong with an answer by the document; empty where nothing is. Answers of addresses and methods that are not
 * described have to be 404 or 400.
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

/** What is wrong with a JSON body that is sent, by the document. */
export function problemsOfBody(method: string, path: string, body: unknown): string[] {
  const pointer = ['paths', path, method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema']
  return violations('api', pointer, body)
}

/** What is wrong by the document with an event of either way, or (`<event>Ack`) with an ack. */
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

/** The document allows fields to come; what is there today is all described. */
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
