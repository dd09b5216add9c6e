import fastifyJwt from '@fastify/jwt'
import { ParleyError } from '@parley/protocol'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { createTokenVerifier, identityFromClaims, signToken, type TokenSettings, tokenError } from '../src/index.ts'
import { encode, hmacToken, issuerKey, nowInSeconds, secretSettings, startIssuer } from './tokens.ts'

/** Builds an app that registers the options as the api does and returns the identity or the error. */
async function buildApp(settings: TokenSettings) {
  const app = fastify()
  await app.register(fastifyJwt, createTokenVerifier(settings).jwtOptions)
  app.setErrorHandler((error, _request, reply) => {
    const known = tokenError(error)
    return known instanceof ParleyError ? reply.status(known.status).send(known.toBody()) : reply.status(500).send()
  })
  app.get('/', async (request) => identityFromClaims(await request.jwtVerify()))
  const get = async (authorization?: string) => {
    const response = await app.inject({ url: '/', headers: authorization === undefined ? {} : { authorization } })
    return { status: response.statusCode, ...response.json<Record<string, unknown>>() }
  }
  return { get, [Symbol.asyncDispose]: () => app.close() }
}

describe('@fastify/jwt with these options', () => {
  it('accepts and rejects the same tokens with a shared secret', async () => {
    await using app = await buildApp(secretSettings)
    const token = signToken(secretSettings, { sub: 'u' }, { expiresInSeconds: 60 })
    expect(await app.get(`Bearer ${token}`)).toMatchObject({ status: 200, userId: 'u' })
    expect(await app.get()).toMatchObject({ status: 401, code: 'TOKEN_MISSING' })
    expect(await app.get(`Bearer ${hmacToken({ sub: 'u', exp: nowInSeconds() - 10 })}`)).toMatchObject({
      status: 401,
      code: 'TOKEN_EXPIRED',
    })
    const bad = [
      hmacToken({ sub: 'u' }, { key: 'another' }),
      hmacToken({ sub: 'u', nbf: nowInSeconds() + 60 }),
      hmacToken({ name: 'no sub' }),
      hmacToken({ sub: ' ' }),
      `${encode({ alg: 'none' })}.${encode({ sub: 'u' })}.`,
      'x',
      'x y',
    ]
    for (const token of bad)
      expect(await app.get(`Bearer ${token}`)).toMatchObject({ status: 401, code: 'TOKEN_INVALID' })
  })

  it('accepts and rejects the same tokens with a key set', async () => {
    const key = issuerKey('k', 'ES256')
    await using issuer = await startIssuer(key)
    await using app = await buildApp(issuer.settings)
    expect(await app.get(`Bearer ${key.sign({ sub: 'u' })}`)).toMatchObject({ status: 200, userId: 'u' })
    const stranger = issuerKey('other', 'ES256').sign({ sub: 'u' })
    expect(await app.get(`Bearer ${stranger}`)).toMatchObject({ status: 401, code: 'TOKEN_INVALID' })
    const hmac = hmacToken({ sub: 'u' }, { header: { alg: 'HS256', kid: 'k' } })
    expect(await app.get(`Bearer ${hmac}`)).toMatchObject({ status: 401, code: 'TOKEN_INVALID' })
  })

  it('responds with UNAVAILABLE while the key set cannot be fetched', async () => {
    const key = issuerKey('k', 'EdDSA')
    await using issuer = await startIssuer(key)
    issuer.state.mode = 'fail'
    await using app = await buildApp(issuer.settings)
    expect(await app.get(`Bearer ${key.sign({ sub: 'u' })}`)).toMatchObject({ status: 503, code: 'UNAVAILABLE' })
  })
})
