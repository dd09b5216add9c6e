/**
 * The S3 server's process: an s3rver on the loopback address with its files in the folder named by the first
 * argument. Ends by itself when the process that started it does.
 */
import S3rver from '@20minutes/s3rver'
import type { S3Report } from './s3.ts'

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

const server = new S3rver({
  address: '127.0.0.1',
  port: Number(port),
  directory,
  silent: true,
  configureBuckets: [{ name: bucket, configs: [CORS] }],
})
server.run().then(
  (address) => report({ type: 'ready', port: address.port }),
  (error: Error) => {
    report({ type: 'failed', message: error.message })
    process.exitCode = 1
    process.disconnect?.()
  },
)
