import { afterEach, expect, it } from 'vitest'
import { type AdminServer, type AdminServerOptions, startAdminServer } from '../src/index.ts'

let server: AdminServer | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

async function get(path: string, options: Partial<AdminServerOptions> = {}, method = 'GET') {
  server = await startAdminServer({ host: '127.0.0.1', port: 0, ready: async () => ({ database: 'ok' }), ...options })
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method })
  return { status: response.status, text: await response.text() }
}

it('is live and ready', async () => {
  expect(await get('/health/live')).toEqual({ status: 200, text: '{"status":"ok"}' })
  await server?.stop()
  expect(await get('/health/ready?verbose')).toEqual({
    status: 200,
    text: '{"status":"ok","checks":{"database":"ok"}}',
  })
})

it('names the dependency that is missing', async () => {
  const answer = await get('/health/ready', { ready: async () => ({ database: 'ok', redis: 'not connected' }) })
  expect(answer.status).toBe(503)
  expect(JSON.parse(answer.text)).toEqual({
    status: 'unavailable',
    checks: { database: 'ok', redis: 'not connected' },
  })
})

it('is degraded, with status 200, if only optional checks fail', async () => {
  const ready = async () => ({ database: 'ok', s3: 'away' })
  const answer = await get('/health/ready', { ready, optional: (name) => name === 's3' })
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.text)).toEqual({ status: 'degraded', checks: { database: 'ok', s3: 'away' } })
})

it('is not ready when the check fails, and does not show why', async () => {
  const answer = await get('/health/ready', { ready: () => Promise.reject(new Error('postgres://u:hunter2@db')) })
  expect(answer).toEqual({ status: 503, text: '{"status":"unavailable","checks":{"checks":"failed"}}' })
})

it('is not ready when the check hangs', async () => {
  const answer = await get('/health/ready', { ready: () => new Promise(() => undefined), readyTimeoutMs: 20 })
  expect(answer).toEqual({ status: 503, text: '{"status":"unavailable","checks":{"checks":"timed out"}}' })
})

it('answers ?drain=404 with 404 while stopping, and never otherwise', async () => {
  const ready = async () => ({ process: 'stopping', database: 'ok' })
  expect((await get('/health/ready?drain=404', { ready })).status).toBe(404)
  await server?.stop()
  expect((await get('/health/ready', { ready })).status).toBe(503)
  await server?.stop()
  const away = async () => ({ process: 'ok', database: 'away' })
  expect((await get('/health/ready?drain=404', { ready: away })).status).toBe(503)
})

it('serves additional routes, and 404 for the rest', async () => {
  const routes = { '/metrics': (_: unknown, response: { end(text: string): void }) => response.end('up 1\n') }
  expect(await get('/metrics', { routes })).toEqual({ status: 200, text: 'up 1\n' })
  await server?.stop()
  expect((await get('/health')).status).toBe(404)
  await server?.stop()
  expect((await get('/health/live', {}, 'POST')).status).toBe(404)
})

it('answers 500 for a route that throws', async () => {
  const routes = { '/metrics': () => Promise.reject(new Error('broken')) }
  expect(await get('/metrics', { routes })).toEqual({ status: 500, text: '{"status":"failed"}' })
})

it('rejects if the port is in use', async () => {
  server = await startAdminServer({ host: '127.0.0.1', port: 0, ready: async () => ({}) })
  const second = startAdminServer({ host: '127.0.0.1', port: server.port, ready: async () => ({}) })
  await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
