/**
 * The S3 server's process: an s3rver on the loopback address with its files in the folder named by the first
 * argument. Ends by itself when the process that started it does.
 */
import S3rver from '@20minutes/s3rver'
import type { S3Report } from './s3.ts'
import { multipartSupplement } from './s3-multipart.ts'

const [, , directory = '', bucket = '', port = '0'] = process.argv

/** Browsers upload to and download from signed addresses, from whatever origin the web client is served. */
const CORS = `<CORSConfiguration><CORSRule>
<AllowedOrigin>*</AllowedOrigin>
<AllowedMethod>GET</AllowedMethod><AllowedMethod>HEAD</AllowedMethod><AllowedMethod>PUT</AllowedMethod>
<AllowedMethod>POST</AllowedMethod><AllowedMethod>DELETE</AllowedMethod>
<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds>
</CORSRule></CORSConfiguration>`

function report(message: S3Report): void {
  if (process.connected && process.send) process.send(message, () => undefined)
}

// Nothing is lost by ending at once: an object is complete on disk before its answer is sent.
const leave = () => process.exit(0)
process.on('disconnect', leave)
process.on('SIGTERM', leave)
// A Ctrl-C is the parent's to handle; it stops this process when the clients of it are gone.
process.on('SIGINT', () => undefined)

/*
 * s3rver checks signatures with encodeURIComponent, which leaves !'()* as they are; S3 has them encoded, and the name of a
 * file to save (`filename*=UTF-8''…`) has them in every signed address. In this process nothing else encodes anything.
 */
const encodeLoosely = encodeURIComponent
globalThis.encodeURIComponent = (text) =>
  encodeLoosely(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

const server = new S3rver({
  address: '127.0.0.1',
  port: Number(port),
  directory,
  silent: true,
  configureBuckets: [{ name: bucket, configs: [CORS] }],
})
// Before the router, which knows no such requests.
server.middleware.splice(-1, 0, multipartSupplement)
server.run().then(
  (address) => report({ type: 'ready', port: address.port }),
  (error: Error) => {
    report({ type: 'failed', message: error.message })
    process.exitCode = 1
    process.disconnect?.()
  },
)
