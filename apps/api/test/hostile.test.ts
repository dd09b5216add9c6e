import { operations } from '@parley/docs'
import { clientEvents, parse } from '@parley/protocol'
import { type Cluster, dataOf, startCluster, vapidSettings } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, operationOf } from './asking.ts'
import { problemsOf } from './contract.ts'
import { CONVERSATIONS, type Example, examplesOf, makeWorld, type World } from './examples.ts'

/*
 * Replaces every string in every documented request, one at a time, by values that have broken other servers. The answer must be
 * a documented one, never a server error, and the data must survive.
 */

const STRINGS = [
  `'; drop table messages; --`,
  `" or ""="`,
  `1' union select password from users --`,
  '{"$ne": null}',
  '$(touch /tmp/parley)',
  '{{7*7}}<%= 7*7 %>',
  '../../../../etc/passwd',
  '..\\..\\windows',
  'a\0b',
  'https://example.com/a\0b',
  'a\r\nx-injected: 1',
  '\u202egnp.exe',
  '\ud800',
  'https://example.com/\ud800',
  '2025-12-11T10:30:00+23:59',
  `2025-12-11T10:30:00.${'1'.repeat(200)}Z`,
  '__proto__',
  'x'.repeat(5_000),
]
let cluster: Cluster
let world: World
let examples: Record<string, Example>
beforeAll(async () => {
  cluster = await startCluster({ gateways: 0, workers: 0, env: vapidSettings() })
  world = await makeWorld(cluster)
  examples = examplesOf(world)
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Returns copies of a value, in each of which exactly one string is replaced. */
function* variants(value: unknown, text: string): Generator<unknown> {
  if (typeof value === 'string') yield text
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    for (const other of variants(inner, text)) {
      yield Array.isArray(value)
        ? value.map((one, at) => (String(at) === key ? other : one))
        : { ...value, [key]: other }
    }
  }
}

async function check(id: string, example: Example): Promise<void> {
  const operation = operationOf(id)
  const { status, headers, body } = await ask(cluster, world, operation, example)
  const path = operation.path.replaceAll(/\{\w+\}/g, 'x')
  const sent = JSON.stringify(example).slice(0, 200)
  expect(problemsOf(operation.method, path, status, body), sent).toEqual([])
  expect(status, sent).toBeLessThan(500)
  expect(headers.get('x-injected'), sent).toBeNull()
}

describe('strings with a special meaning elsewhere', () => {
  it.each(operations.map(({ id }) => id))('%s', async (id) => {
    const example = examples[id] ?? {}
    for (const text of STRINGS) {
      for (const part of ['params', 'query', 'body'] as const) {
        const lone = part !== 'body' && !text.isWellFormed()
        if (example[part] === undefined || lone) continue
        const all = [...variants(example[part], text)].map((other) =>
          check(id, { ...example, [part]: other } as Example),
        )
        await Promise.all(all)
      }
    }
  })
})

describe('keys that could pollute a prototype', () => {
  const keys = ['{"__proto__":{"polluted":true}}', '{"constructor":{"prototype":{"polluted":true}}}']

  it.each(operations.filter(({ body }) => body !== undefined).map(({ id }) => id))('%s', async (id) => {
    const example = examples[id] ?? {}
    const good = JSON.stringify(example.body).slice(1)
    for (const key of keys) {
      await check(id, { ...example, body: key })
      await check(id, { ...example, body: good === '}' ? key : `${key.slice(0, -1)},${good}` })
    }
  })

  it('are ordinary names in queries and forms', async () => {
    const query = '__proto__[polluted]=1&constructor[prototype][polluted]=1&__proto__=1&prototype=x'
    const answer = await cluster.api(world.ahmed).get(`${CONVERSATIONS}?${query}`)
    expect(answer.status).toBe(200)
    const form = new FormData()
    for (const name of ['__proto__', 'constructor', 'prototype', '__proto__[polluted]']) form.append(name, 'polluted')
    form.append('content', 'A form')
    form.append('file', new Blob(['x']), '__proto__')
    const headers = { authorization: `Bearer ${cluster.token(world.ahmed)}` }
    const path = `${cluster.url}${CONVERSATIONS}/${world.pair.id}/messages`
    const sent = await fetch(path, { method: 'POST', headers, body: form })
    expect([201, 400]).toContain(sent.status)
    expect(await sent.text()).not.toContain('polluted')
  })

  it('do not pass the schemas', () => {
    const payload = JSON.parse('{"conversationId":"x","__proto__":{"polluted":true},"constructor":{"polluted":true}}')
    for (const schema of Object.values(clientEvents)) {
      try {
        const parsed = parse(schema, payload)
        expect(Reflect.get(Object(parsed), 'polluted')).toBeUndefined()
      } catch (error) {
        expect(error).toMatchObject({ code: 'VALIDATION_FAILED' })
      }
    }
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  it('in a token’s claims grant no role', async () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const claims = JSON.parse(`{"${key}":{"role":"service"}}`) as Record<string, unknown>
      const headers = { authorization: `Bearer ${cluster.token(world.ahmed, claims)}` }
      const answer = await fetch(`${cluster.url}/api/users/x`, {
        method: 'PUT',
        headers: { ...headers, 'content-type': 'application/json' },
        body: '{"fullName":"Fool"}',
      })
      expect(answer.status, key).toBe(403)
    }
  })
})

it('file names stay file names', async () => {
  const api = cluster.api(world.ahmed)
  const path = `${CONVERSATIONS}/${world.pair.id}/attachments`
  const name = async (fileName: string) =>
    dataOf(await api.post<{ fileName: string }>(path, { fileName, fileSize: 1 })).fileName
  expect(await name('../../etc/passwd')).toBe('passwd')
  expect(await name('..\\..\\boot.ini')).toBe('boot.ini')
  expect(await name('a.txt\r\nx-injected: 1')).not.toMatch(/[\r\n:]/)
  expect(await name('photo\u202egnp.exe')).toBe('photognp.exe')
  expect(await name('..')).toBe('file')
  expect(await name('con.txt')).toBe('_con.txt')
  expect(Buffer.byteLength(await name(`${'é'.repeat(900)}.pdf`))).toBeLessThanOrEqual(255)
  expect((await api.post(path, { fileName: 'a\0.txt', fileSize: 1 })).status).toBe(400)
})

it('after all this the data is intact, and the logs contain no errors', async () => {
  const page = await cluster
    .api(world.fatima)
    .get<{ id: string }[]>(`${CONVERSATIONS}/${world.pair.id}/messages?limit=100`)
  expect(dataOf(page).length).toBeGreaterThan(0)
  const { rows } = await cluster.sql.query('select count(*)::int as found from messages where id = $1', [
    world.message.id,
  ])
  expect(rows).toEqual([{ found: 1 }])
  expect(cluster.apis[0]?.crashes).toBe(0)
  expect(cluster.logs('api-1')).not.toMatch(/"level":(50|60)/)
})
