import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { storageOriginIn } from '../../static/src/storage-origin.ts'
import { type Edge, startEdge } from '../src/edge.ts'

const SCRIPT = `export const text = ${JSON.stringify('Parley '.repeat(500))}`
let folder: string
let edge: Edge

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-web-'))
  const web = join(folder, 'dist')
  await mkdir(join(web, 'assets'), { recursive: true })
  await Promise.all([
    writeFile(join(web, 'index.html'), '<!doctype html><title>Parley</title>'),
    writeFile(join(web, 'sw.js'), '// worker'),
    writeFile(join(web, 'icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>'),
    writeFile(join(web, 'manifest.webmanifest'), '{}'),
    writeFile(join(web, '.sources'), 'not for others'),
    writeFile(join(web, 'assets', 'main-abc123.js'), SCRIPT),
    writeFile(join(web, 'assets', 'main-abc123.js.br'), brotliCompressSync(SCRIPT)),
    writeFile(join(web, 'assets', 'main-abc123.js.gz'), gzipSync(SCRIPT)),
    writeFile(join(web, 'assets', 'style-abc123.css'), 'a{}'),
    writeFile(join(folder, 'secret.txt'), 'secret'),
  ])
  edge = await startEdge({
    port: 0,
    host: '127.0.0.1',
    targets: { api: () => [], gateway: () => [] },
    web: { directory: web, storageOrigin: 'https://files.example.com' },
  })
})
afterAll(async () => {
  await edge.close()
  await rm(folder, { recursive: true, force: true })
})

/** Uses node:http, because `fetch` would normalise the path and decode the body. */
function ask(path: string, headers: OutgoingHttpHeaders = {}, method = 'GET') {
  return new Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: edge.port, path, headers, method }, async (answer) => {
      const body = Buffer.concat(await answer.toArray())
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body })
    })
    sent.once('error', reject)
    sent.end()
  })
}

test.each([
  ['/', 'text/html;charset=utf-8', 'no-cache'],
  ['/index.html', 'text/html;charset=utf-8', 'no-cache'],
  ['/sw.js', 'text/javascript', 'no-cache'],
  ['/assets/main-abc123.js', 'text/javascript', 'public, max-age=31536000, immutable'],
  ['/assets/style-abc123.css', 'text/css', 'public, max-age=31536000, immutable'],
  ['/icon.svg?v=2', 'image/svg+xml', 'public, max-age=3600'],
  ['/manifest.webmanifest', 'application/manifest+json', 'public, max-age=3600'],
  ['http://parley.test/icon.svg', 'image/svg+xml', 'public, max-age=3600'],
])('%s is a %s, cached as %s', async (path, type, cache) => {
  const { status, headers } = await ask(path)
  expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, type, cache])
})

test('every answer has the security headers, 304 and 404 too', async () => {
  const { headers: first } = await ask('/')
  const answers = [
    await ask('/assets/main-abc123.js'),
    await ask('/', { 'if-none-match': first.etag }),
    await ask('/assets/gone.js'),
    await ask('/', {}, 'POST'),
  ]
  expect(answers.map(({ status }) => status)).toEqual([200, 304, 404, 405])
  for (const { body } of answers.slice(2))
    expect(JSON.parse(body.toString())).toMatchObject({ error: { code: 'NOT_FOUND' } })
  for (const { headers } of answers) {
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['referrer-policy']).toBe('no-referrer')
  }
})

test('the policy allows the store and the page’s WebSockets, and nothing smuggled in by a Host header', async () => {
  const policyFor = async (host: string) => {
    const { headers } = await ask('/', { host })
    return String(headers['content-security-policy']).split('; ')
  }
  const policy = await policyFor('chat.example.com:8443')
  expect(policy).toContain(
    "connect-src 'self' ws://chat.example.com:8443 wss://chat.example.com:8443 https://files.example.com",
  )
  expect(policy).toContain("img-src 'self' blob: data: https://files.example.com")
  expect(policy).toContain("frame-ancestors 'self'")
  expect(await policyFor("x; script-src 'unsafe-inline'")).toContain("connect-src 'self' https://files.example.com")
  expect(await policyFor('[::1]:4000')).toContain(
    "connect-src 'self' ws://[::1]:4000 wss://[::1]:4000 https://files.example.com",
  )
})

test('an ETag saves the body; HEAD has only the headers', async () => {
  const whole = await ask('/assets/main-abc123.js')
  const again = await ask('/assets/main-abc123.js', { 'if-none-match': whole.headers.etag })
  expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, whole.headers.etag])
  expect(again.headers['cache-control']).toBe(whole.headers['cache-control'])
  const head = await ask('/assets/main-abc123.js', {}, 'HEAD')
  expect([head.status, head.body.length, head.headers['content-length']]).toEqual([200, 0, String(SCRIPT.length)])
})

test('compressed if accepted, with Vary for caches', async () => {
  const answers = await Promise.all(
    ['br, gzip', 'gzip', 'identity'].map((encoding) => ask('/assets/main-abc123.js', { 'accept-encoding': encoding })),
  )
  const [brotli, gzip, plain] = answers
  expect(answers.map(({ headers }) => headers['content-encoding'])).toEqual(['br', 'gzip', undefined])
  for (const { headers } of answers) {
    expect([headers.vary, headers['content-type']]).toEqual(['Accept-Encoding', 'text/javascript'])
  }
  expect(brotliDecompressSync(brotli?.body ?? Buffer.alloc(0)).toString()).toBe(SCRIPT)
  expect(gunzipSync(gzip?.body ?? Buffer.alloc(0)).toString()).toBe(SCRIPT)
  expect(plain?.body.toString()).toBe(SCRIPT)
  expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(3)
})

test.each([
  '/../secret.txt',
  '/assets/../../secret.txt',
  '/..%2fsecret.txt',
  '/%2e%2e/secret.txt',
  '/assets/..%5c..%5csecret.txt',
  '//secret.txt',
  '/.sources',
  '/assets',
  '/anything',
  '/%',
  '/%00',
])('no path leads out of the folder or to hidden files: %s', async (path) => {
  const { status, body } = await ask(path)
  expect(status).toBe(404)
  expect(JSON.parse(body.toString())).toMatchObject({ success: false, error: { code: 'NOT_FOUND' } })
})

test('the cluster keeps its own paths', async () => {
  expect((await ask('/api/users/me')).status).toBe(503)
  expect((await ask('/socket.io/?EIO=4')).status).toBe(503)
  const status = await ask('/status')
  expect([status.status, status.body.toString().includes('A messaging cluster is running here')]).toEqual([200, true])
})

test('the origin of signed URLs, from settings as the processes read them', () => {
  const production = { NODE_ENV: 'production', S3_REGION: 'eu-central-1' }
  expect(storageOriginIn(production)).toBe('https://parley.s3.eu-central-1.amazonaws.com')
  const own = { S3_ENDPOINT: 'http://minio:9000', S3_PUBLIC_ENDPOINT: 'https://files.example.com' }
  expect(storageOriginIn({ ...production, ...own })).toBe('https://parley.files.example.com')
  expect(storageOriginIn({ ...production, ...own, S3_FORCE_PATH_STYLE: 'true' })).toBe('https://files.example.com')
  // As with docker-compose.services.yml: only the store’s endpoint is set.
  expect(storageOriginIn({ NODE_ENV: 'development', S3_ENDPOINT: 'http://127.0.0.1:8333' })).toBe(
    'http://127.0.0.1:8333',
  )
})
