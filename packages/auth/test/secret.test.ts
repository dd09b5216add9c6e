import { describe, expect, it } from 'vitest'
import { createTokenVerifier, identityFromClaims, signToken, type TokenSettings } from '../src/index.ts'
import { encode, hmacToken, nowInSeconds, secretSettings } from './tokens.ts'

const verifier = createTokenVerifier(secretSettings)
const refused = (token: unknown, settings?: Partial<TokenSettings>) =>
  expect((settings ? createTokenVerifier({ ...secretSettings, ...settings }) : verifier).verify(token)).rejects

describe('a token signed with the shared secret', () => {
  it('identifies its bearer', async () => {
    const token = signToken(
      secretSettings,
      { sub: 'u-1', fullName: 'Ahmed Hassan', profilePhoto: 'https://example.com/a.png' },
      { expiresInSeconds: 60 },
    )
    const identity = await verifier.verify(token)
    expect(identity).toMatchObject({
      userId: 'u-1',
      fullName: 'Ahmed Hassan',
      profilePhoto: 'https://example.com/a.png',
      service: false,
    })
    const left = (identity.expiresAt?.getTime() ?? 0) - Date.now()
    expect(left).toBeGreaterThan(57_000)
    expect(left).toBeLessThanOrEqual(60_000)
    // The second result comes from the cache and is the same.
    expect(await verifier.verify(token)).toEqual(identity)
  })

  it('may use the names of OpenID Connect claims, and identify a server', async () => {
    const token = hmacToken({ sub: 's', name: ' Fatima ', picture: 'http://e.com/f', role: 'service' })
    expect(await verifier.verify(token)).toEqual({
      userId: 's',
      fullName: 'Fatima',
      profilePhoto: 'http://e.com/f',
      service: true,
      expiresAt: null,
      issuedAt: null,
    })
  })

  it('is read by Parley’s own claims if it has both', async () => {
    const names = { fullName: 'Fatima', name: 'fatima92' }
    const photos = { profilePhoto: 'https://e.com/f', picture: 'https://e.com/g' }
    const { fullName, profilePhoto } = await verifier.verify(hmacToken({ sub: 'u', ...names, ...photos }))
    expect([fullName, profilePhoto]).toEqual(['Fatima', 'https://e.com/f'])
  })

  it.each([undefined, null, ''])('is missing when it is %j', (token) =>
    refused(token).toMatchObject({ code: 'TOKEN_MISSING' }),
  )

  it.each([42, {}, [], 'x', 'a.b', 'a.b.c', '..', hmacToken({ sub: 'u', more: 'x'.repeat(20_000) }), 'Bearer a.b.c'])(
    'is invalid if it is not a JWT (%#)',
    (token) => refused(token).toMatchObject({ code: 'TOKEN_INVALID' }),
  )

  it('is rejected with another key', () =>
    refused(hmacToken({ sub: 'u' }, { key: 'another-secret' })).toMatchObject({ code: 'TOKEN_INVALID' }))

  it('is rejected if a claim was changed after signing', () => {
    const [header, , signature] = hmacToken({ sub: 'u' }).split('.')
    return refused(`${header}.${encode({ sub: 'admin' })}.${signature}`).toMatchObject({ code: 'TOKEN_INVALID' })
  })

  it.each(['none', 'None', 'NONE', 'nOnE'])('is rejected without a signature (alg %s)', async (alg) => {
    const unsigned = `${encode({ alg, typ: 'JWT' })}.${encode({ sub: 'u' })}.`
    await refused(unsigned).toMatchObject({ code: 'TOKEN_INVALID' })
    await refused(hmacToken({ sub: 'u' }, { header: { alg } })).toMatchObject({ code: 'TOKEN_INVALID' })
  })

  it.each(['HS384', 'HS512', 'RS256', undefined, 7])('is rejected with another algorithm (%s)', (alg) =>
    refused(hmacToken({ sub: 'u' }, { header: { alg } })).toMatchObject({ code: 'TOKEN_INVALID' }),
  )

  it('is rejected with an unsupported critical header', () =>
    refused(hmacToken({ sub: 'u' }, { header: { alg: 'HS256', crit: ['b64'], b64: false } })).toMatchObject({
      code: 'TOKEN_INVALID',
    }))
})

describe('the times of a token', () => {
  it('make it expire', async () => {
    await refused(hmacToken({ sub: 'u', exp: nowInSeconds() - 10 })).toMatchObject({ code: 'TOKEN_EXPIRED' })
    await expect(verifier.verify(hmacToken({ sub: 'u', exp: nowInSeconds() - 2 }))).resolves.toMatchObject({
      userId: 'u',
    })
  })

  it('keep it from being used too early', async () => {
    await refused(hmacToken({ sub: 'u', nbf: nowInSeconds() + 30 })).toMatchObject({
      code: 'TOKEN_INVALID',
      message: 'The token is not valid yet.',
    })
    await expect(verifier.verify(hmacToken({ sub: 'u', nbf: nowInSeconds() + 3 }))).resolves.toMatchObject({
      userId: 'u',
    })
  })

  it('include an expiry in production', async () => {
    await refused(hmacToken({ sub: 'u' }), { NODE_ENV: 'production' }).toMatchObject({ code: 'TOKEN_INVALID' })
  })

  it('tell when it was issued, if given in a usable form', async () => {
    const iat = nowInSeconds() - 60
    expect((await verifier.verify(hmacToken({ sub: 'u', iat }))).issuedAt).toEqual(new Date(iat * 1_000))
    for (const unusable of ['now', 1e300, null, -1, Date.now()]) {
      expect((await verifier.verify(hmacToken({ sub: 'u', iat: unusable }))).issuedAt).toBeNull()
    }
  })

  it('may have been issued up to a minute in the future, by a clock that is ahead of ours', () => {
    const [now, sub] = [Date.UTC(2026, 10, 27, 12), 'u']
    const issued = (seconds: number) => identityFromClaims({ sub, iat: now / 1_000 + seconds }, now)
    expect(issued(60).issuedAt).toEqual(new Date(now + 60_000))
    expect(() => issued(61)).toThrow(
      expect.objectContaining({ code: 'TOKEN_INVALID', message: 'The token’s iat is in the future.' }),
    )
  })

  it.each(['tomorrow', 1e300, null, [1], Date.now()])('must be a number of seconds, not %j', (exp) =>
    refused(hmacToken({ sub: 'u', exp })).toMatchObject({ code: 'TOKEN_INVALID' }),
  )
})

describe('issuer and audience', () => {
  const settings = { JWT_ISSUER: 'https://id.example.com', JWT_AUDIENCE: 'chat' }
  const claims = { sub: 'u', iss: settings.JWT_ISSUER, aud: ['shop', 'chat'] }

  it('are accepted if they match, and included in signed tokens', async () => {
    const strict = createTokenVerifier({ ...secretSettings, ...settings })
    await expect(strict.verify(hmacToken(claims))).resolves.toMatchObject({ userId: 'u' })
    const own = signToken({ ...secretSettings, ...settings }, { sub: 'own' }, { expiresInSeconds: 5 })
    await expect(strict.verify(own)).resolves.toMatchObject({ userId: 'own' })
  })

  it.each([
    { iss: 'https://evil.example.com' },
    { iss: undefined },
    { iss: [settings.JWT_ISSUER] },
    { aud: 'shop' },
    { aud: undefined },
    { aud: 7 },
  ])('are rejected if they are wrong or missing: %j', (wrong) =>
    refused(hmacToken({ ...claims, ...wrong }), settings).toMatchObject({ code: 'TOKEN_INVALID' }),
  )
})

describe('claims about the person', () => {
  it.each([undefined, null, 7, '', ' u', 'u ', 'u'.repeat(129), 'a\0b', 'a\nb', '\u007f', '\ud800'])(
    'reject %j as a sub',
    (sub) => refused(hmacToken({ sub })).toMatchObject({ code: 'TOKEN_INVALID' }),
  )

  it('accept a sub of 128 characters and a name of 200', async () => {
    const [sub, fullName] = ['ü'.repeat(128), 'ü'.repeat(200)]
    await expect(verifier.verify(hmacToken({ sub, fullName }))).resolves.toMatchObject({ userId: sub, fullName })
  })

  it.each([
    { fullName: 'x'.repeat(201) },
    { fullName: '  ' },
    { fullName: 'a\0b' },
    { fullName: ['x'] },
    { profilePhoto: 'javascript:alert(1)' },
    { profilePhoto: 'not a url' },
    { profilePhoto: `https://e.com/${'x'.repeat(2_048)}` },
    { profilePhoto: 5 },
  ])('omit unusable values (%#)', async (claims) => {
    const identity = await verifier.verify(hmacToken({ sub: 'u', ...claims }))
    expect(identity).toMatchObject({ fullName: null, profilePhoto: null })
  })

  it('identify a service only by the role "service"', async () => {
    for (const role of ['Service', 'admin', true, ['service']]) {
      expect((await verifier.verify(hmacToken({ sub: 'u', role }))).service).toBe(false)
    }
  })
})
