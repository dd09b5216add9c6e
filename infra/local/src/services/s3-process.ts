/**
 * The S3 server's process: an s3rver on the loopback address, with its files in the folder given by the first argument. Exits
 * when the process that started it ends.
 */
import S3rver from '@20minutes/s3rver'
import type { S3Report } from './s3.ts'
import { multipartSupplement } from './s3-multipart.ts'

const [, , directory = '', bucket = '', port = '0'] = process.argv

/** Browsers upload to and download from signed URLs, from whatever origin the web client is served at. */
const CORS = `<CORSConfiguration><CORSRule>
<AllowedOrigin>*</AllowedOrigin>
<AllowedMethod>GET</AllowedMethod><AllowedMethod>HEAD</AllowedMethod><AllowedMethod>PUT</AllowedMethod>
<AllowedMethod>POST</AllowedMethod><AllowedMethod>DELETE</AllowedMethod>
<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds>
</CORSRule></CORSConfiguration>`

function report(message: S3Report): void {
  if (process.connected && process.send) process.send(message, () => undefined)
}

// Exiting at once loses nothing: an object is complete on disk before its upload is answered.
const leave = () => process.exit(0)
process.on('disconnect', leave)
process.on('SIGTERM', leave)
// Ctrl-C is handled by the parent, which stops this process after its clients.
process.on('SIGINT', () => undefined)

/*
 * s3rver checks signatures with encodeURIComponent, which leaves !'()* as they are, but S3 encodes them, and every signed URL
 * contains them in the file's name (`filename*=UTF-8''…`). Nothing else in this process encodes anything.
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
// Before the router, which does not know these requests.
server.middleware.splice(-1, 0, multipartSupplement)
server.run().then(
  (address) => report({ type: 'ready', port: address.port }),
  (error: Error) => {
    report({ type: 'failed', message: error.message })
    process.exitCode = 1
    process.disconnect?.()
  },
)
