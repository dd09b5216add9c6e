import { once } from 'node:events'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { buildStaticServer, closeStaticServer } from '../src/server.ts'

/** More bytes than are buffered between server and client while nobody reads. */
const LARGE = 32 * 1024 ** 2

let directory: string
let url: string
let server: Server

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parley-static-'))
  await mkdir(join(directory, 'public', 'assets'), { recursive: true })
  await writeFile(join(directory, 'secret.txt'), 'not to be had')
  await writeFile(join(directory, 'public', 'index.html'), '<!doctype html><title>Parley</title>')
  await writeFile(join(directory, 'public', 'assets', 'app-1a2b.js'), 'export {}')
  await writeFile(join(directory, 'public', 'assets', 'large-3c4d.bin'), '')
  await truncate(join(directory, 'public', 'assets', 'large-3c4d.bin'), LARGE)
  server = buildStaticServer({ directory: join(directory, 'public'), storageOrigin: 'https://files.example.com' })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  await closeStaticServer(server, 0)
  await rm(directory, { recursive: true, force: true })
})

it('serves the page with its policy, to be revalidated each time', async () => {
  const answer = await fetch(`${url}/`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
  expect(answer.headers.get('cache-control')).toBe('no-cache')
  expect(answer.headers.get('content-security-policy')).toContain(
    "img-src 'self' blob: data: https://files.example.com",
  )
  const again = await fetch(`${url}/`, { headers: { 'if-none-match': answer.headers.get('etag') ?? '' } })
  expect(again.status).toBe(304)
})

it('lets files with a hash in their name be cached', async () => {
  const answer = await fetch(`${url}/assets/app-1a2b.js`)
  expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
})

it.each([
  '/secret.txt',
  '/..%2fsecret.txt',
  '/%2e%2e/secret.txt',
  '/assets/..%5c..%5csecret.txt',
  '/nothing',
  '/%E0%A4%A',
])('has nothing at %s', async (path) => {
  const answer = await fetch(url + path)
  expect(answer.status).toBe(404)
  expect(await answer.json()).toMatchObject({ success: false, error: { code: 'NOT_FOUND' } })
})

it('is read-only', async () => {
  expect((await fetch(`${url}/`, { method: 'POST', body: 'x' })).status).toBe(405)
})

/** A client with a kept-alive connection that requests a large file and reads only its beginning. */
async function slowReader() {
  const client = connect(Number(new URL(url).port), '127.0.0.1')
  client.write('GET /assets/large-3c4d.bin HTTP/1.1\r\nHost: x\r\n\r\n')
  const [first] = await once(client, 'data')
  client.pause()
  return { client, first: first as Buffer }
}

it('closes a kept-alive connection after the answer in progress, once the server is closing', async () => {
  const { client, first } = await slowReader()
  expect(String(first)).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  let received = first.length
  client.on('data', (chunk) => {
    received += chunk.length
  })
  const closed = closeStaticServer(server, 60_000)
  client.resume()
  await once(client, 'end')
  expect(received).toBeGreaterThan(LARGE)
  await closed
})

it('is not held up by an answer that nobody reads', async () => {
  const { client } = await slowReader()
  client.once('error', () => undefined)
  await closeStaticServer(server, 50)
  client.destroy()
})
