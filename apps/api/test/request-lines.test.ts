import { ParleyError } from '@parley/protocol'
import { createLogger } from '@parley/runtime'
import { type FastifyBaseLogger, fastify, LogController } from 'fastify'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { answerError } from '../src/errors.ts'
import { HttpMeasures } from '../src/measures.ts'
import { observeRequests } from '../src/requests.ts'
import { appWithoutServices } from './routes-of-the-app.ts'

/* What the log of a pod says of requests at its usual level: what went wrong on our side, and not whose address it was. */

const lines: Record<string, unknown>[] = []
const logger = createLogger({
  name: 'api',
  level: 'info',
  destination: { write: (line) => void lines.push(JSON.parse(line)) },
})
const app = fastify({
  loggerInstance: logger as FastifyBaseLogger,
  logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
})
beforeAll(async () => {
  await app.register(observeRequests, { deps: { measures: new HttpMeasures(), tracer: undefined } })
  app.setErrorHandler(answerError)
  app.get('/good/:id', async () => ({}))
  app.get('/wrong/:id', async () => {
    throw new ParleyError('NOT_FOUND')
  })
  app.get('/away/:id', async () => {
    throw new ParleyError('UNAVAILABLE')
  })
  app.get('/store/:id', async () => {
    throw new ParleyError('STORAGE_UNAVAILABLE', { cause: new Error('no such bucket') })
  })
  app.get('/broken/:id', async () => {
    throw new TypeError('a mistake')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  lines.length = 0
})
afterAll(() => app.close())

it.each<[string, number, object[]]>([
  ['good', 200, []],
  ['wrong', 404, []],
  ['away', 503, [{ level: 40, msg: 'request', code: 'UNAVAILABLE', status: 503 }]],
  [
    'store',
    503,
    [
      { level: 40, msg: 'the object store failed', err: { message: 'no such bucket' } },
      { level: 40, msg: 'request', code: 'STORAGE_UNAVAILABLE', status: 503 },
    ],
  ],
  [
    'broken',
    500,
    [
      { level: 50, msg: 'a request failed', err: { message: 'a mistake' } },
      { level: 40, msg: 'request', code: 'INTERNAL', status: 500 },
    ],
  ],
])('%s: %i', async (path, status, expected) => {
  const address = app.server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const id = crypto.randomUUID()
  const answer = await fetch(`http://127.0.0.1:${port}/${path}/${id}`)
  const { error } = (await answer.json()) as { error?: { requestId: string } }
  expect(answer.status).toBe(status)
  const found: Record<string, unknown>[] = []
  await expect.poll(() => found.push(...lines.splice(0))).toBe(expected.length)
  expect(found).toMatchObject(expected)
  for (const line of found) expect(line.requestId).toBe(error?.requestId)
  const ends = found.filter(({ msg }) => msg === 'request')
  for (const line of ends) expect(line.route).toBe(`/${path}/:id`)
  expect(JSON.stringify(found)).not.toContain(id)
})

it('a request with an invalid URL, which no hook sees, still gets a request id', async () => {
  const whole = await appWithoutServices('test')
  for (const url of ['/api/%zz', `/api/users/${'x'.repeat(1_000)}`]) {
    const answer = await whole.inject({ method: 'PUT', url, headers: { 'x-request-id': 'edge-42' } })
    expect(answer.json()).toMatchObject({ error: { code: 'VALIDATION_FAILED', requestId: 'edge-42' } })
    expect([answer.statusCode, answer.headers['x-request-id']]).toEqual([400, 'edge-42'])
  }
  await whole.close()
})
