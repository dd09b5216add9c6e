import type { ErrorCode } from '@parley/protocol'
import type { z } from 'zod'

export type Method = 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete'

/** Who may ask: a person (or a server for one), a server of the product, or anybody. */
export type Access = 'person' | 'service' | 'anybody'

/** One successful answer. */
export interface OperationAnswer {
  description: string
  /** What `data` holds; left out where there is no body. */
  data?: z.ZodType
  meta?: z.ZodType
}

/** One request of the HTTP API. The schemas are the ones that the routes parse with. */
export interface Operation {
  method: Method
  /** As in OpenAPI: parameters in braces. */
  path: string
  /** `operationId`, and the name of the schemas that are its own. */
  id: string
  tag: string
  summary: string
  description?: string
  access: Access
  params?: z.ZodType
  query?: z.ZodType
  /** JSON. */
  body?: z.ZodType
  bodyIsOptional?: boolean
  /** The text fields of a form that may be sent in the place of JSON, with files. */
  form?: z.ZodType
  answers: Readonly<Record<number, OperationAnswer>>
  /** Beside those that any request of this access and method may be answered with. */
  errors: readonly ErrorCode[]
}
