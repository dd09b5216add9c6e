import { createHmac } from 'node:crypto'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createTokenVerifier, signToken } from '../src/index.ts'
import { encode, hmacToken, issuerKey, startIssuer, toJwk } from './tokens.ts'

const rsa = issuerKey('rsa-1', 'RS256')
const ec = issuerKey('ec-1', 'ES256')
const ed = issuerKey('ed-1', 'EdDSA')

describe('tokens signed by an issuer with a key set', () => {
  it.each([rsa, ec, ed])('are accepted with $algorithm', async (key) => {
    await using issuer = await startIssuer(rsa, ec, ed)
    const verifier = createTokenVerifier(issuer.settings)
    expect(await verifier.verify(key.sign({ sub: 'u', name: 'N' }))).toMatchObject({ userId: 'u', fullName: 'N' })
    expect(await verifier.verify(key.sign({ sub: 'v' }))).toMatchObject({ userId: 'v' })
    expect(issuer.state.requests).toBe(1)
  })

  it('may omit the key id if only one key matches', async () => {
    await using issuer = await startIssuer(rsa, ec)
    const verifier = createTokenVerifier(issuer.settings)
    await expect(verifier.verify(rsa.sign({ sub: 'u' }, {}))).resolves.toMatchObject({ userId: 'u' })
    issuer.setKeys(rsa, issuerKey('rsa-2', 'RS256'))
    const later = createTokenVerifier(issuer.settings)
    await expect(later.verify(rsa.sign({ sub: 'u' }, {}))).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
  })

  it('are rejected when signed by HMAC with the public key', async () => {
    await using issuer = await startIssuer(rsa)
    const verifier = createTokenVerifier(issuer.settings)
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    for (const key of [pem, pem.trim(), JSON.stringify(toJwk(rsa))]) {
      for (const alg of ['HS256', 'RS256']) {
        const token = hmacToken({ sub: 'u' }, { key, header: { alg, kid: rsa.kid } })
        await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
      }
    }
  })

  it('are rejected if unsigned, or with a key for another algorithm', async () => {
    await using issuer = await startIssuer(rsa, ec)
    const verifier = createTokenVerifier(issuer.settings)
    const unsigned = `${encode({ alg: 'none', kid: rsa.kid })}.${encode({ sub: 'u' })}.`
    await expect(verifier.verify(unsigned)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    const crossed = ec.sign({ sub: 'u' }, { kid: rsa.kid })
    await expect(verifier.verify(crossed)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
  })

  it('are rejected with a key that is weak or for another purpose; a malformed key does not affect others', async () => {
    const weak = issuerKey('weak', 'RS256', 1_024)
    await using issuer = await startIssuer(weak)
    const other = issuerKey('other', 'RS256')
    const [signing, ofAnother] = [issuerKey('signing', 'ES256'), issuerKey('of-another', 'ES256')]
    issuer.state.keys = [
      toJwk(weak),
      { ...toJwk(other), use: 'enc' },
      { ...toJwk(signing), key_ops: ['sign'] },
      { ...toJwk(ofAnother), alg: 'ES384' },
      { kty: 'RSA', kid: 'broken', n: '!', e: 7 },
      { kty: 'oct', kid: 'oct', k: encode('secret') },
      toJwk(ec),
    ]
    const verifier = createTokenVerifier(issuer.settings)
    for (const key of [weak, other, signing, ofAnother]) {
      await expect(verifier.verify(key.sign({ sub: 'u' }))).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    }
    const input = `${encode({ alg: 'HS256', kid: 'oct' })}.${encode({ sub: 'u' })}`
    const hmac = `${input}.${createHmac('sha256', encode('secret')).update(input).digest('base64url')}`
    await expect(verifier.verify(hmac)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    await expect(verifier.verify(ec.sign({ sub: 'u' }))).resolves.toMatchObject({ userId: 'u' })
  })

  it('cannot be signed by Parley', async () => {
    await using issuer = await startIssuer(rsa)
    expect(() => signToken(issuer.settings, { sub: 'u' }, { expiresInSeconds: 1 })).toThrow('JWT_SECRET')
  })
})

describe('the key set', () => {
  it('is fetched again for a new key, and only once per cooldown for unknown keys', async () => {
    await using issuer = await startIssuer(rsa)
    let now = 0
    const verifier = createTokenVerifier(issuer.settings, { now: () => now, cooldownMs: 5_000 })
    await verifier.verify(rsa.sign({ sub: 'u' }))
    const next = issuerKey('rsa-2', 'RS256')
    issuer.setKeys(next)
    now += 5_000
    const both = await Promise.all([next.sign({ sub: 'a' }), next.sign({ sub: 'b' })].map((t) => verifier.verify(t)))
    expect(both.map((identity) => identity.userId)).toEqual(['a', 'b'])
    expect(issuer.state.requests).toBe(2)
    await expect(verifier.verify(rsa.sign({ sub: 'withdrawn' }))).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    for (let i = 0; i < 20; i += 1) {
      const stranger = rsa.sign({ sub: 'u', i }, { kid: `unknown-${i}` })
      await expect(verifier.verify(stranger)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    }
    expect(issuer.state.requests).toBe(2)
  })

  it('is fetched again for a new key even after the machine’s clock was set back', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    await using issuer = await startIssuer(rsa)
    const verifier = createTokenVerifier(issuer.settings, { cooldownMs: 0 })
    await verifier.verify(rsa.sign({ sub: 'u' }))
    const next = issuerKey('rsa-2', 'RS256')
    issuer.setKeys(rsa, next)
    vi.setSystemTime(Date.now() - 3_600_000)
    await expect(verifier.verify(next.sign({ sub: 'v' }))).resolves.toMatchObject({ userId: 'v' })
  })

  it('is refreshed while in use, so that a withdrawn key is not accepted for long', async () => {
    await using issuer = await startIssuer(rsa)
    let now = 0
    const verifier = createTokenVerifier(issuer.settings, { now: () => now, refreshAfterMs: 10_000 })
    let tokens = 0
    const outcome = () =>
      verifier.verify(rsa.sign({ sub: 'u', token: tokens++ })).then(
        () => 'accepted',
        ({ code }) => code,
      )
    expect(await outcome()).toBe('accepted')
    issuer.setKeys(ec)
    now = 10_000
    expect(await outcome()).toBe('accepted')
    await expect.poll(outcome).toBe('TOKEN_INVALID')
    expect(issuer.state.requests).toBe(2)
  })

  it('checks a verified token again within a minute, since its key may have been withdrawn', async () => {
    onTestFinished(() => void vi.useRealTimers())
    vi.useFakeTimers({ toFake: ['Date'] })
    await using issuer = await startIssuer(rsa)
    let now = 0
    const verifier = createTokenVerifier(issuer.settings, { now: () => now, refreshAfterMs: 10_000 })
    const outcome = (token: string) =>
      verifier.verify(token).then(
        () => 'accepted',
        ({ code }) => code,
      )
    let tokens = 0
    const another = () => outcome(rsa.sign({ sub: 'v', token: tokens++ }))
    const known = rsa.sign({ sub: 'u' })
    expect(await outcome(known)).toBe('accepted')
    issuer.setKeys(ec)
    now = 10_000
    await expect.poll(another).toBe('TOKEN_INVALID')
    expect(await outcome(known)).toBe('accepted')
    vi.setSystemTime(Date.now() + 61_000)
    expect(await outcome(known)).toBe('TOKEN_INVALID')
  })

  it('is rejected if it is far too large', async () => {
    await using issuer = await startIssuer(rsa)
    issuer.state.keys.push({ kty: 'oct', k: 'x'.repeat(300_000) })
    const verifier = createTokenVerifier(issuer.settings)
    await expect(verifier.verify(rsa.sign({ sub: 'u' }))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('stays in use while the issuer is away, for a limited time', async () => {
    await using issuer = await startIssuer(rsa)
    let now = 0
    const verifier = createTokenVerifier(issuer.settings, { now: () => now, refreshAfterMs: 10_000, keepForMs: 60_000 })
    await verifier.verify(rsa.sign({ sub: 'u' }))
    issuer.state.mode = 'fail'
    now = 59_000
    await expect(verifier.verify(rsa.sign({ sub: 'v' }))).resolves.toMatchObject({ userId: 'v' })
    now = 65_000
    await expect(verifier.verify(rsa.sign({ sub: 'w' }))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    issuer.state.mode = 'serve'
    now = 71_000
    await expect(verifier.verify(rsa.sign({ sub: 'w' }))).resolves.toMatchObject({ userId: 'w' })
  })

  it('does not call a token with a new key invalid while the issuer is away', async () => {
    await using issuer = await startIssuer(rsa)
    let now = 0
    const verifier = createTokenVerifier(issuer.settings, { now: () => now, cooldownMs: 5_000 })
    await verifier.verify(rsa.sign({ sub: 'u' }))
    const next = issuerKey('rsa-2', 'RS256')
    issuer.setKeys(rsa, next)
    issuer.state.mode = 'fail'
    now = 6_000
    const token = next.sign({ sub: 'v' })
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    // Within the cooldown it is not fetched again, so the key is still unknown.
    now = 7_000
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(verifier.verify(rsa.sign({ sub: 'w' }))).resolves.toMatchObject({ userId: 'w' })
    issuer.state.mode = 'serve'
    now = 12_000
    await expect(verifier.verify(token)).resolves.toMatchObject({ userId: 'v' })
  })

  it('gives UNAVAILABLE, not TOKEN_INVALID, while the issuer hangs, and does not cache that', async () => {
    await using issuer = await startIssuer(rsa)
    issuer.state.mode = 'hang'
    const verifier = createTokenVerifier(issuer.settings, { timeoutMs: 2_000, cooldownMs: 0 })
    const token = rsa.sign({ sub: 'u' })
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    issuer.state.mode = 'serve'
    await expect(verifier.verify(token)).resolves.toMatchObject({ userId: 'u' })
  })
})
