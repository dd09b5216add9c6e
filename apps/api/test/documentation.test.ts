import { openApiDocument } from '@parley/docs'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appWithoutServices, routesOfTheApp } from './routes-of-the-app.ts'

/* /api/docs: the documentation of the HTTP API, complete and without third parties. */

let app: FastifyInstance
beforeAll(async () => {
  app = await appWithoutServices('test')
})
afterAll(() => app?.close())

it('describes every route of the app, and no other', async () => {
  const described = Object.entries(openApiDocument().paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  )
  const routes = (await routesOfTheApp()).map((route) => route.replace(/\/$/, ''))
  expect([...new Set(routes)].sort()).toEqual(described.sort())
})

it('answers every address with a slash at its end as without one', async () => {
  for (const route of await routesOfTheApp()) {
    const [method = '', pattern = ''] = route.split(' ')
    const url = pattern.replace(/\/$/, '').replaceAll(/:\w+/g, () => crypto.randomUUID())
    const asked = [url, `${url}/`].map((address) => app.inject({ method: method as 'GET', url: address }))
    const [plain, slashed] = (await Promise.all(asked)).map((answer) => [answer.statusCode, answer.json().error?.code])
    expect(slashed, route).toEqual(plain)
  }
})

it('serves the document without a token', async () => {
  const answer = await app.inject('/api/docs/openapi.json')
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
  const { info, ...document } = answer.json()
  const { info: expected, ...rest } = openApiDocument()
  expect(document).toEqual(JSON.parse(JSON.stringify(rest)))
  expect(info.title).toBe(expected.title)
})

describe('the viewer', () => {
  it('is a page whose scripts, styles and pictures all come from this origin', async () => {
    const page = await app.inject('/api/docs/')
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    for (const address of ['/api/docs', '/api/docs?from=a-link']) {
      const withoutSlash = await app.inject(address)
      expect([withoutSlash.statusCode, withoutSlash.headers.location]).toEqual([308, '/api/docs/'])
    }
    const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address)
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) {
      const url = new URL(file, 'http://parley.test/api/docs/')
      expect(url.origin, file).toBe('http://parley.test')
      expect((await app.inject(url.pathname)).statusCode, file).toBe(200)
    }
    expect(page.body).not.toMatch(/<script(?![^>]*\bsrc=)/)
  })

  it('is the only page with a policy that allows scripts, and only from this origin', async () => {
    const policy = (await app.inject('/api/docs/')).headers['content-security-policy']
    expect(policy).toContain("default-src 'none'; script-src 'self';")
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/)
    for (const path of ['/api/users/me', '/api/nothing', '/api/docsx']) {
      const elsewhere = (await app.inject(path)).headers['content-security-policy']
      expect(elsewhere, path).toBe("default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'")
    }
  })

  it('uses no third-party validator', async () => {
    const script = await app.inject('/api/docs/static/swagger-initializer.js')
    expect(script.body).toContain('validatorUrl: null')
    expect(script.body.replaceAll(/^\s*\/\/.*$/gm, '')).not.toMatch(/https?:\/\//)
  })

  it('serves no file from outside of its folder', async () => {
    for (const path of ['../package.json', '..%2fpackage.json', '%2e%2e/%2e%2e/package.json', '....//package.json']) {
      const answer = await app.inject(`/api/docs/static/${path}`)
      expect([400, 403, 404], path).toContain(answer.statusCode)
      expect(answer.body).not.toContain('"version"')
    }
  })

  it('can be switched off', async () => {
    const without = await appWithoutServices('production', { API_DOCS: 'false' })
    for (const path of ['/api/docs', '/api/docs/', '/api/docs/openapi.json']) {
      expect((await without.inject(path)).statusCode, path).toBe(404)
    }
    await without.close()
  })
})
