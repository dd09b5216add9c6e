/** The part of @20minutes/s3rver that s3-process.ts uses; the package has no types of its own. */
declare module '@20minutes/s3rver' {
  import type { AddressInfo } from 'node:net'

  interface Options {
    address: string
    port: number
    directory: string
    silent: boolean
    configureBuckets: { name: string; configs: string[] }[]
  }

  /** A Koa context with s3rver's file store. A body that is an object becomes XML. */
  export interface S3Context {
    readonly method: string
    readonly path: string
    readonly query: Readonly<Record<string, string | string[] | undefined>>
    readonly store: { getResourcePath(bucket: string, key: string | undefined, resource: string): string }
    status: number
    body: unknown
  }
  export type S3Middleware = (ctx: S3Context, next: () => Promise<void>) => Promise<void>

  export default class S3rver {
    /** In the order in which they run; the last one is the router. */
    readonly middleware: S3Middleware[]
    constructor(options: Options)
    run(): Promise<AddressInfo>
  }
}
