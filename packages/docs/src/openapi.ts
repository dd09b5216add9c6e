import { ERRORS, type ErrorCode, successShape } from '@parley/protocol'
import type { z } from 'zod'
import { type JsonSchema, jsonSchemas } from './json-schema.ts'
import { models } from './models.ts'
import { errorsOf, type Operation, operations } from './operations/index.ts'
import { failureWith, pascal, reference } from './references.ts'

/** The parts of an OpenAPI 3.1 document that this package uses. */
export interface OpenApiDocument {
  openapi: string
  info: Record<string, unknown>
  servers: unknown[]
  tags: unknown[]
  paths: Record<string, Record<string, OpenApiOperation>>
  components: { schemas: Record<string, JsonSchema> } & Record<string, unknown>
}

export interface OpenApiOperation {
  operationId: string
  responses: Record<string, { content?: Record<string, { schema: JsonSchema }> } & Record<string, unknown>>
  [field: string]: unknown
}

const DESCRIPTION = `Conversations, messages, read marks, attachments, search and push of a Parley cluster. The realtime API is
Socket.IO at \`/socket.io\`; an AsyncAPI document describes it (docs/asyncapi.json).

Clients must ignore unknown fields: later versions may add some. Unknown fields in requests are ignored; known fields must be
valid. Times are RFC 3339 in UTC with six fractional digits. HEAD is supported wherever GET is. An incomplete or invalid HTTP
request fails, at any URL, with \`MALFORMED_REQUEST\` (400), \`REQUEST_TIMEOUT\` (408) or \`HEADERS_TOO_LARGE\` (431).`

const TAGS = ['Conversations', 'Messages', 'Attachments', 'People', 'Push', 'Development']

/** Returns the HTTP API as an OpenAPI 3.1 document, generated from the schemas with which the routes parse. */
export function openApiDocument({ version = '0.1.0' }: { version?: string } = {}): OpenApiDocument {
  const names = namedSchemas()
  const paths = Object.fromEntries(
    [...Map.groupBy(operations, ({ path }) => path)].map(([path, ofPath]) => [
      path,
      Object.fromEntries(ofPath.map((operation) => [operation.method, describe(operation, names.input)])),
    ]),
  )
  return {
    openapi: '3.1.1',
    info: { title: 'Parley', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/', description: 'The cluster that serves this document' }],
    tags: TAGS.map((name) => ({ name })),
    paths,
    components: {
      schemas: { ...names.output, ...names.bodies },
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'A token signed by the product for this person (sub is their id).',
        },
        serviceToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'A token of one of the product’s servers, with the claim role: "service".',
        },
      },
      parameters: { ActAs: ACT_AS },
      headers: HEADERS,
    },
  }
}

/** Returns the schema name of a success response's envelope. */
function answerName(operation: Operation, status: string): string {
  const one = Object.keys(operation.answers).length === 1
  return `${pascal(operation.id)}Answer${one ? '' : status}`
}

function namedSchemas() {
  const outputs = new Map(models)
  const bodies = new Map<string, z.ZodType>()
  const input = new Map<string, z.ZodType>()
  for (const operation of operations) {
    const name = pascal(operation.id)
    if (operation.body) bodies.set(`${name}Body`, operation.body)
    if (operation.form) bodies.set(`${name}Form`, operation.form)
    if (operation.params) input.set(`${name}Params`, operation.params)
    if (operation.query) input.set(`${name}Query`, operation.query)
    for (const [status, { data, meta }] of Object.entries(operation.answers)) {
      if (data) outputs.set(answerName(operation, status), successShape(data, meta))
    }
  }
  // A schema may serve several operations, but a registry has only one name for each.
  return {
    output: jsonSchemas(outputs, 'output'),
    bodies: jsonSchemas(bodies, 'input'),
    input: convertSeparately(input),
  }
}

function convertSeparately(schemas: ReadonlyMap<string, z.ZodType>): Record<string, JsonSchema> {
  return Object.assign({}, ...[...schemas].map((entry) => jsonSchemas(new Map([entry]), 'input')))
}

function describe(operation: Operation, input: Record<string, JsonSchema>): OpenApiOperation {
  const name = pascal(operation.id)
  const parameters = [
    ...parametersOf('path', input[`${name}Params`]),
    ...parametersOf('query', input[`${name}Query`]),
    ...(operation.access === 'person' ? [{ $ref: '#/components/parameters/ActAs' }] : []),
  ]
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    security: SECURITY[operation.access],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBody(operation, name),
    responses: { ...successes(operation), ...failures(operation) },
  }
}

const SECURITY = {
  person: [{ token: [] }, { serviceToken: [] }],
  service: [{ serviceToken: [] }],
  anybody: [],
}

const ACT_AS = {
  name: 'x-act-as',
  in: 'header',
  required: false,
  description:
    'With a service token: the id of the person it acts for, percent-encoded as in a path. Not allowed with other tokens.',
  schema: { type: 'string', minLength: 1 },
}

function parametersOf(place: 'path' | 'query', schema: JsonSchema | undefined): JsonSchema[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, JsonSchema>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }))
}

function requestBody({ body, form, bodyIsOptional }: Operation, name: string): { requestBody?: JsonSchema } {
  if (body === undefined) return {}
  const content: Record<string, JsonSchema> = { 'application/json': { schema: reference(`${name}Body`) } }
  if (form !== undefined) content['multipart/form-data'] = { schema: formSchema(`${name}Form`) }
  return { requestBody: { required: bodyIsOptional !== true, content } }
}

/** The text fields, and the files, whose fields may have any name. */
function formSchema(name: string): JsonSchema {
  const file = { type: 'array', items: { type: 'string', contentMediaType: 'application/octet-stream' }, maxItems: 10 }
  return { allOf: [reference(name), { type: 'object', properties: { file }, required: ['file'] }] }
}

function successes(operation: Operation): OpenApiOperation['responses'] {
  const limits = operation.access === 'anybody' ? {} : { headers: headerReferences(...RATE_HEADERS) }
  return Object.fromEntries(
    Object.entries(operation.answers).map(([status, { description, data }]) => {
      if (data !== undefined)
        return [status, { description, ...limits, content: json(reference(answerName(operation, status))) }]
      return [status, { description, headers: { location: { description: 'The target', schema: { type: 'string' } } } }]
    }),
  )
}

/** Returns one response for each status, with the codes that it may carry. */
function failures(operation: Operation): OpenApiOperation['responses'] {
  const byStatus = Map.groupBy(errorsOf(operation), (code) => ERRORS[code].status)
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, codes]) => [
        String(status),
        { description: codes.map(explain).join('\n'), ...failureHeaders(status), content: json(failureWith(codes)) },
      ]),
  )
}

function explain(code: ErrorCode): string {
  return `- \`${code}\`: ${ERRORS[code].message}`
}

function failureHeaders(status: number): { headers?: JsonSchema } {
  if (status === 401) return { headers: headerReferences('www-authenticate') }
  if (status === 429 || status >= 500) return { headers: headerReferences('retry-after') }
  return {}
}

const RATE_HEADERS = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']
const HEADERS = {
  'retry-after': { description: 'Seconds to wait before a retry', schema: { type: 'integer' } },
  'www-authenticate': { description: 'Bearer', schema: { type: 'string' } },
  'x-ratelimit-limit': { description: 'Requests allowed per person in ten seconds', schema: { type: 'integer' } },
  'x-ratelimit-remaining': { description: 'Requests remaining', schema: { type: 'integer' } },
  'x-ratelimit-reset': { description: 'Seconds until all requests are available again', schema: { type: 'integer' } },
}

function headerReferences(...names: string[]): JsonSchema {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

function json(schema: JsonSchema): Record<string, { schema: JsonSchema }> {
  return { 'application/json': { schema } }
}
