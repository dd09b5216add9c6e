import { describe, expect, it } from 'vitest'
import { appWithoutServices } from './routes-of-the-app.ts'

/* What browsers are told: who may ask, and that an answer is data. */

const CHAT = 'https://chat.example.com'

async function ask(env: Record<string, string>, origin?: string, preflight = false) {
  const app = await appWithoutServices('production', env)
  const headers = {
    ...(origin === undefined ? {} : { origin }),
    ...(preflight ? { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization' } : {}),
  }
  const answer = await app.inject({ method: preflight ? 'OPTIONS' : 'GET', url: '/api/users/me', headers })
  await app.close()
  return answer
}

describe('CORS_ORIGINS', () => {
  it('in production allows no page from another origin by default', async () => {
    const answer = await ask({}, CHAT)
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
    expect((await ask({}, CHAT, true)).headers['access-control-allow-origin']).toBeUndefined()
  })

  it('allows the listed origins, with preflight, and exposes when to retry', async () => {
    const env = { CORS_ORIGINS: `${CHAT}, https://app.example.com` }
    const [answer, preflight] = [await ask(env, CHAT), await ask(env, CHAT, true)]
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': CHAT,
      vary: expect.stringContaining('Origin'),
      'access-control-expose-headers': expect.stringContaining('retry-after'),
    })
    expect(preflight.statusCode).toBe(204)
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': CHAT,
      'access-control-allow-methods': expect.stringContaining('PUT'),
      'access-control-allow-headers': 'authorization',
    })
    for (const other of [
      'https://evil.example',
      'https://chat.example.com.evil.example',
      'http://chat.example.com',
      'null',
    ]) {
      expect((await ask(env, other)).headers['access-control-allow-origin'], other).not.toBe(other)
      expect((await ask(env, other)).headers['access-control-allow-origin'], other).not.toBe('*')
    }
  })

  it('allows any page with *, but never with credentials', async () => {
    const { headers } = await ask({ CORS_ORIGINS: '*' }, 'https://anybody.example')
    expect(headers['access-control-allow-origin']).toBe('*')
    expect(headers['access-control-allow-credentials']).toBeUndefined()
  })

  it('answers any OPTIONS as a preflight, or like an unknown route if no origin is allowed', async () => {
    const ask = async (env: Record<string, string>) => {
      const app = await appWithoutServices('production', env)
      const answer = await app.inject({ method: 'OPTIONS', url: '/api/users/me' })
      await app.close()
      return answer
    }
    expect(await ask({ CORS_ORIGINS: CHAT })).toMatchObject({ statusCode: 204, body: '' })
    const refused = await ask({})
    expect([refused.statusCode, refused.json().error.code]).toEqual([404, 'NOT_FOUND'])
  })

  it.each(['chat.example.com', 'https://chat.example.com/', 'https://*.example.com', 'https://a.example,,', ' '])(
    'is refused at the start when it is %j',
    async (CORS_ORIGINS) => {
      await expect(ask({ CORS_ORIGINS })).rejects.toThrow('CORS_ORIGINS is wrong')
    },
  )
})

it('every answer forbids rendering as a page, sniffing and framing', async () => {
  const { headers } = await ask({})
  expect(headers).toMatchObject({
    'content-security-policy': expect.stringContaining("default-src 'none'"),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  })
  expect(headers['x-powered-by']).toBeUndefined()
  expect(headers['strict-transport-security']).toBeUndefined()
})

it('tells browsers to use https only if HSTS_SECONDS is set', async () => {
  const { headers } = await ask({ HSTS_SECONDS: '31536000' })
  expect(headers['strict-transport-security']).toBe('max-age=31536000')
})
