import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { buildStaticServer } from '../src/server.ts'

let directory: string
let url: string
let stop: () => Promise<unknown>

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parley-static-'))
  await mkdir(join(directory, 'public', 'assets'), { recursive: true })
  await writeFile(join(directory, 'secret.txt'), 'not to be had')
  await writeFile(join(directory, 'public', 'index.html'), '<!doctype html><title>Parley</title>')
  await writeFile(join(directory, 'public', 'assets', 'app-1a2b.js'), 'export {}')
  const server = buildStaticServer({ directory: join(directory, 'public'), storageOrigin: 'https://files.example.com' })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  stop = () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    return closed
  }
})
afterEach(async () => {
  await stop()
  await rm(directory, { recursive: true, force: true })
})

it('serves the page with its policy, and asks for it to be checked each time', async () => {
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

it('lets files with a hash in their name be kept', async () => {
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

it('can only be read', async () => {
  expect((await fetch(`${url}/`, { method: 'POST', body: 'x' })).status).toBe(405)
})
