import fastifyJwt from '@fastify/jwt'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { createTokenVerifier, signToken, type TokenSettings } from '../src/index.ts'
import { hmacToken, nowInSeconds, secretSettings } from './tokens.ts'

/* While JWT_SECRET is being rotated, the gateway and the api accept tokens signed with either secret, after all other checks. */

const [before, now] = ['the-secret-before-of-more-than-32-characters', secretSettings.JWT_SECRET]
const both: TokenSettings = { ...secretSettings, JWT_SECRET_PREVIOUS: before }

/** Returns the outcomes for a token in the gateway and in the api. */
async function outcomes(settings: TokenSettings, token: string): Promise<string[]> {
  const verifier = createTokenVerifier(settings)
  const socket = await verifier.verify(token).then(
    ({ userId }) => userId,
    ({ code }) => code,
  )
  const app = fastify()
  await app.register(fastifyJwt, verifier.jwtOptions)
  app.get('/', (request) => request.jwtVerify())
  const answer = await app.inject({ url: '/', headers: { authorization: `Bearer ${token}` } })
  await app.close()
  const { sub, code } = answer.json<{ sub?: string; code?: string }>()
  return [socket, sub ?? code ?? '']
}

describe('a second secret', () => {
  it('is accepted in addition to the first', async () => {
    expect(await outcomes(both, hmacToken({ sub: 'new' }))).toEqual(['new', 'new'])
    expect(await outcomes(both, hmacToken({ sub: 'old' }, { key: before }))).toEqual(['old', 'old'])
  })

  it('is not accepted once removed, nor is a third', async () => {
    const refused = ['TOKEN_INVALID', 'FST_JWT_AUTHORIZATION_TOKEN_INVALID']
    expect(await outcomes(secretSettings, hmacToken({ sub: 'old' }, { key: before }))).toEqual(refused)
    const third = hmacToken({ sub: 'x' }, { key: 'a-third-secret-of-more-than-32-characters' })
    expect(await outcomes(both, third)).toEqual(refused)
  })

  it('does not weaken the other checks', async () => {
    const expired = hmacToken({ sub: 'old', exp: nowInSeconds() - 60 }, { key: before })
    expect(await outcomes(both, expired)).toEqual(['TOKEN_EXPIRED', 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED'])
    const strict = { ...both, JWT_ISSUER: 'https://id.example.com' }
    expect((await outcomes(strict, hmacToken({ sub: 'old', iss: 'other' }, { key: before })))[0]).toBe('TOKEN_INVALID')
    const otherAlgorithm = hmacToken({ sub: 'old' }, { key: before, header: { alg: 'HS512' } })
    expect((await outcomes(both, otherAlgorithm))[0]).toBe('TOKEN_INVALID')
    const unsigned = `${hmacToken({ sub: 'old' }, { header: { alg: 'none' } })
      .split('.')
      .slice(0, 2)
      .join('.')}.`
    expect((await outcomes(both, unsigned))[0]).toBe('TOKEN_INVALID')
  })

  it('is not used for signing', async () => {
    const token = signToken(both, { sub: 'u' }, { expiresInSeconds: 60 })
    expect(await outcomes({ ...secretSettings, JWT_SECRET: now }, token)).toEqual(['u', 'u'])
  })
})
