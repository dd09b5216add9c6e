import type { ErrorCode } from '@parley/protocol'
import type { z } from 'zod'

export type Method = 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete'

/** Who may make a request: a person (or a server acting for one), a server of the product, or anybody. */
export type Access = 'person' | 'service' | 'anybody'

/** A success response. */
export interface OperationAnswer {
  description: string
  /** The schema of `data`; omitted if there is no body. */
  data?: z.ZodType
  meta?: z.ZodType
}

/** A request of the HTTP API. The schemas are those with which the routes parse. */
export interface Operation {
  method: Method
  /** As in OpenAPI, with parameters in braces. */
  path: string
  /** The `operationId`, and the prefix of the operation's own schema names. */
  id: string
  tag: string
  summary: string
  description?: string
  access: Access
  params?: z.ZodType
  query?: z.ZodType
  /** The schema of a JSON body. */
  body?: z.ZodType
  bodyIsOptional?: boolean
  /** The text fields of a form with files, which may be sent instead of JSON. */
  form?: z.ZodType
  answers: Readonly<Record<number, OperationAnswer>>
  /** Error codes in addition to those of any request with this access and method. */
  errors: readonly ErrorCode[]
}
